/* From the sums over neighbours to invariants, and back. */
#ifndef INVARIANTS_H
#define INVARIANTS_H

#include "edges.h"

/* Mix radial functions into channels, monomial by monomial. */
static void mix(const struct potential* p, float sums[N_EMBEDDING][N_RADIAL][WIDE],
                vec mixed[N_EMBEDDING][N_MONOMIALS][MIXED_VECS]) {
  for (int a = 0; a < N_EMBEDDING; a++)
    EACH (m, N_MONOMIALS) {
      const vec* weights = (const vec*)p->mixing + (degree_of[m] * N_EMBEDDING + a) * N_RADIAL * MIXED_VECS;
      EACH (v, MIXED_VECS) {
        vec total = splat(0);
        EACH (n, N_RADIAL) total += sums[a][n][m] * weights[n * MIXED_VECS + v];
        mixed[a][m][v] = total;
      }
    }
}

#if NU_MAX == 3
/* v_i v_j M_ij; M_ij M_jk M_ki; T_ijk M_ij v_k; T_ijk T_ijl M_kl of one lane vector of tensors. */
INLINE void triple_contractions(const vec v[3], const vec m[6], const vec t[10], vec found[4]) {
  EACH (c, 4) found[c] = splat(0);
  EACH (i, 3)
    EACH (j, 3) {
      vec mij = m[matrix_at[i][j]], squared = splat(0), along = splat(0);
      EACH (k, 3) {
        vec tijk = t[rank3_at[i][j][k]], turned = splat(0);
        squared += m[matrix_at[i][k]] * m[matrix_at[k][j]];
        along += tijk * v[k];
        EACH (l, 3) turned += t[rank3_at[i][j][l]] * m[matrix_at[k][l]];
        found[3] += tijk * turned;
      }
      found[0] += v[i] * v[j] * mij;
      found[1] += squared * mij;
      found[2] += along * mij;
    }
}

/* Adds the gradient of the four contractions, weighted by g, by the monomials. It is a product of two tensors, of which
 * the first is taken from (v, m, t) and the second from (w, n, u): with both the same it is the gradient, else half of
 * the derivative of the gradient. */
INLINE void pull_back_contractions(const vec v[3], const vec m[6], const vec t[10], const vec w[3], const vec n[6],
                                   const vec u[10], const vec g[4], vec dv[3], vec dm[6], vec dt[10]) {
  EACH (i, 3)
    EACH (j, 3) {
      vec mij = m[matrix_at[i][j]], nij = n[matrix_at[i][j]], squared = splat(0), along = splat(0), cross = splat(0);
      EACH (k, 3) {
        vec tijk = t[rank3_at[i][j][k]], turned = splat(0);
        squared += m[matrix_at[i][k]] * n[matrix_at[k][j]];
        along += tijk * w[k];
        EACH (l, 3) {
          turned += t[rank3_at[i][j][l]] * n[matrix_at[k][l]];
          cross += t[rank3_at[k][l][i]] * u[rank3_at[k][l][j]];
        }
        dt[rank3_at[i][j][k]] += g[2] * mij * w[k] + 2.0f * g[3] * turned;
        dv[k] += g[2] * tijk * nij;
      }
      dv[i] += 2.0f * g[0] * mij * w[j];
      dm[matrix_at[i][j]] += g[0] * v[i] * w[j] + 3.0f * g[1] * squared + g[2] * along + g[3] * cross;
    }
}
#endif

/* The invariants, times as many of the receiver's embeddings as they have factors. */
static void invariants(const float* receiver, struct atom* atom) {
  for (int a = 0; a < N_EMBEDDING; a++)
    EACH (v, MIXED_VECS) {
      vec t = ((const vec*)receiver)[v], t2 = t * t;
      vec* features = atom->features + a * N_INVARIANTS * MIXED_VECS + v;
      vec squares[4] = {{0}, {0}, {0}, {0}};
      UNROLL for (int m = 1; m < N_MONOMIALS; m++) {
        vec value = atom->mixed[a][m][v];
        squares[degree_of[m]] += value * value * (float)multiplicity[m];
      }
      features[0] = atom->mixed[a][0][v] * t;
      UNROLL for (int l = 1; l <= L_MAX; l++)
        features[l * MIXED_VECS] = squares[l] * t2;
#if NU_MAX == 3
      vec tensors[20], found[4];
      UNROLL for (int m = 1; m < 20; m++)
        tensors[m] = atom->mixed[a][m][v];
      triple_contractions(tensors + 1, tensors + 4, tensors + 10, found);
      EACH (c, 4) features[(1 + L_MAX + c) * MIXED_VECS] = found[c] * t2 * t;
#endif
    }
}

/* The gradient by the mixed sums takes their place. */
static void pull_back_invariants(const float* receiver, struct atom* atom) {
  for (int a = 0; a < N_EMBEDDING; a++)
    EACH (v, MIXED_VECS) {
      vec t = ((const vec*)receiver)[v], t2 = t * t;
      const vec* gradient = atom->features + a * N_INVARIANTS * MIXED_VECS + v;
      vec slopes[N_MONOMIALS];
      slopes[0] = gradient[0] * t;
      UNROLL for (int m = 1; m < N_MONOMIALS; m++)
        slopes[m] = gradient[degree_of[m] * MIXED_VECS] * t2 * atom->mixed[a][m][v] * (2.0f * multiplicity[m]);
#if NU_MAX == 3
      vec tensors[20], g[4];
      UNROLL for (int m = 1; m < 20; m++)
        tensors[m] = atom->mixed[a][m][v];
      EACH (c, 4) g[c] = gradient[(1 + L_MAX + c) * MIXED_VECS] * t2 * t;
      pull_back_contractions(tensors + 1, tensors + 4, tensors + 10, tensors + 1, tensors + 4, tensors + 10, g,
                             slopes + 1, slopes + 4, slopes + 10);
#endif
      EACH (m, N_MONOMIALS) atom->mixed[a][m][v] = slopes[m];
    }
}

/* The gradient by the sums over neighbours, (a, n_radial x n_monomials). */
static void pull_back_mixing(const struct potential* p, vec mixed[N_EMBEDDING][N_MONOMIALS][MIXED_VECS],
                             vec terms[N_EMBEDDING][TERM_VECS]) {
  for (int a = 0; a < N_EMBEDDING; a++)
    EACH (block, TERM_VECS) {
      vec t[LANES];
      EACH (i, LANES) {
        const int q = block * LANES + i, n = q / N_MONOMIALS, m = q % N_MONOMIALS;
        t[i] = splat(0);
        if (q < N_TERMS) {
          const vec* weights = (const vec*)p->mixing + ((degree_of[m] * N_EMBEDDING + a) * N_RADIAL + n) * MIXED_VECS;
          EACH (v, MIXED_VECS) t[i] += weights[v] * mixed[a][m][v];
        }
      }
      terms[a][block] = sum_each(t);
    }
}

#endif
