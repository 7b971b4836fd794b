/* The CACE potential for one structure: atomic energies and their gradient by the vectors to neighbours.
 *
 * Compiled for one configuration: N_EMBEDDING, N_RADIAL, N_CHANNELS, L_MAX, NU_MAX, N_LAYERS and WIDTHS (of the readout's
 * layers) are constants, so that every loop but those over atoms and neighbours has a known length and runs in registers.
 *
 * Neighbours are taken sixteen at a time and grouped by element. The sum over the neighbours of one element needs no
 * embedding, which then multiplies the sum: with few elements in a structure that is a quarter of the work. Four atoms go
 * through the readout together, so that its weights are read once for the four.
 */
#ifndef POTENTIAL_H
#define POTENTIAL_H

#include <stdlib.h>
#include <string.h>

#include "vector.h"

#define N_MONOMIALS (L_MAX == 3 ? 20 : 10)
#define N_TERMS (N_RADIAL * N_MONOMIALS)                       /* radial functions times monomials */
#define TERM_VECS ((N_TERMS + LANES - 1) / LANES)
#define MONOMIAL_VECS (L_MAX == 3 ? 2 : 1)                     /* degrees 0 to 2, and degree 3 */
#define N_MIXED (N_CHANNELS * N_EMBEDDING)                     /* (k, b) of one sender embedding a */
#define MIXED_VECS ((N_MIXED + LANES - 1) / LANES)
#define N_INVARIANTS (1 + L_MAX + (NU_MAX == 3 ? 4 : 0))
#define FEATURE_VECS (N_EMBEDDING * N_INVARIANTS * MIXED_VECS) /* (a, invariant, (k, b)) */
#define BLOCK 4                                                /* atoms that go through the readout together */
#define MAX_WIDTH 256
#define MAX_SPECIES 128

static const int widths[N_LAYERS] = {WIDTHS};
#define FIRST_ROWS ((widths[0] + 1 + 3) / 4 * 4)               /* the linear map is one more row */

/* Weights in the order the loops read them; made by packing.py. */
struct potential {
  float cutoff, contact, strength;
  const float *frequencies; /* (n_radial) */
  const float *sender;      /* (n_species, n_embedding) */
  const float *receiver;    /* (n_species, mixed) embedding of b in every (k, b), 0 where padded */
  const float *mixing;      /* (L_MAX + 1, n_embedding, n_radial, mixed) */
  const float *first;       /* (first rows, features) hidden layer, the linear map, zeros */
  const float *first_bias;  /* (first rows) */
  const float *later;       /* for every later layer: weights (width, width before), then biases */
  const float *radii;       /* (n_species) covalent radii, Angstrom */
};

/* One structure. */
struct structure {
  int64_t n_atoms;
  const int32_t *species; /* (n_atoms) rows of the embeddings */
  const double *positions, *cell;
};

/* Neighbours in rows of equal width; index relative to the structure's first atom, offsets in cell vectors. */
struct neighbors {
  int64_t width;
  const int64_t *index;  /* (n_atoms, width) */
  const float *image;    /* (n_atoms, width, 3) */
  const int64_t *counts; /* (n_atoms) */
  int64_t base;          /* subtracted from every index */
};

/* Sixteen neighbours of one element; lanes from count on are padding, beyond the cutoff. */
struct edges {
  vec x, y, z, distance, inverse; /* direction, r and 1/r */
  vec radial[N_RADIAL], slope[N_RADIAL];
  int32_t neighbor[LANES];
  int32_t species, count;
};

/* What one atom keeps between the way to its energy and back. */
struct atom {
  struct edges *edges;
  int n_edges;
  float core;
  vec mixed[N_EMBEDDING][N_MONOMIALS][MIXED_VECS];
  vec features[FEATURE_VECS]; /* then their gradients */
};

struct workspace {
  struct atom atoms[BLOCK];
  int64_t width; /* neighbours there is room for */
  float *found;  /* 5 rows of width: vector, squared distance, element */
  int32_t *found_index;
};

static const int multiplicity[20] = {1, 1, 1, 1, 1, 2, 2, 1, 2, 1, 1, 3, 3, 3, 6, 3, 1, 3, 3, 1};
static const int degree_of[20] = {0, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3};
/* Where a component of the full tensor stands among the monomials of its degree. */
static const int matrix_at[3][3] = {{0, 1, 2}, {1, 3, 4}, {2, 4, 5}};
static const int rank3_at[3][3][3] = {
    {{0, 1, 2}, {1, 3, 4}, {2, 4, 5}}, {{1, 3, 4}, {3, 6, 7}, {4, 7, 8}}, {{2, 4, 5}, {4, 7, 8}, {5, 8, 9}}};

/* Room for rows of `width` neighbours, each element's rounded up to whole vectors; false when there is no memory. */
static int reserve(struct workspace *w, int64_t width, int64_t n_species) {
  int64_t n_edges = width / LANES + n_species + 1;
  if (width <= w->width && w->found) return 1;
  free(w->found);
  free(w->found_index);
  w->found = malloc(5 * width * sizeof(float));
  w->found_index = malloc(width * sizeof(int32_t));
  int fine = w->found && w->found_index;
  for (int i = 0; i < BLOCK; i++) {
    free(w->atoms[i].edges);
    w->atoms[i].edges = aligned_alloc(64, n_edges * sizeof(struct edges));
    fine = fine && w->atoms[i].edges;
  }
  w->width = width;
  return fine;
}

static struct workspace *new_workspace(void) {
  size_t size = (sizeof(struct workspace) + 63) / 64 * 64;
  struct workspace *w = aligned_alloc(64, size);
  if (w) memset(w, 0, size);
  return w;
}

static void free_workspace(struct workspace *w) {
  if (!w) return;
  for (int i = 0; i < BLOCK; i++) free(w->atoms[i].edges);
  free(w->found);
  free(w->found_index);
  free(w);
}

/* ---- to the energy ------------------------------------------------------------------------------------------------ */

/* R_n(r) = sqrt(2/cutoff) sin(w_n r)/r f(r/cutoff) and its derivative, f = 1 - 6 x^2 + 8 x^3 - 3 x^4. */
INLINE void radial_functions(const struct potential *p, struct edges *e) {
  float scale = sqrtf(2 / p->cutoff);
  vec r = select_lanes(e->distance < p->cutoff, e->distance, splat(p->cutoff));
  vec x = r / p->cutoff, rest = 1.0f - x;
  vec inverse = 1.0f / r;
  vec envelope = (1.0f + x * x * (-6.0f + x * (8.0f - 3.0f * x))) * scale * inverse;
  vec fall = (x * rest * rest * (-12.0f * scale / p->cutoff) - envelope) * inverse;
  UNROLL for (int n = 0; n < N_RADIAL; n++) {
    vec sine, cosine;
    sine_cosine(r * p->frequencies[n], &sine, &cosine);
    e->radial[n] = sine * envelope;
    e->slope[n] = cosine * envelope * p->frequencies[n] + sine * fall;
  }
}

/* Find the neighbours of atom i within the cutoff, element by element. */
static void gather_edges(const struct potential *p, const struct structure *s, const struct neighbors *list,
                         struct workspace *w, int64_t i, struct atom *atom) {
  const double *at = s->positions + 3 * i, *c = s->cell;
  int64_t width = w->width, count = list->counts[i], n_found = 0;
  const int64_t *index = list->index + i * list->width;
  const float *image = list->image + 3 * i * list->width;
  float *restrict x = w->found, *restrict y = x + width, *restrict z = y + width, *restrict r2 = z + width;
  int32_t *restrict found = w->found_index, *restrict species = (int32_t *)(r2 + width);
  float reach = p->cutoff * p->cutoff;
  for (int64_t k = 0; k < count; k++) {
    int64_t j = index[k] - list->base;
    const double *other = s->positions + 3 * j;
    double a = image[3 * k], b = image[3 * k + 1], d = image[3 * k + 2];
    float dx = other[0] - at[0] + a * c[0] + b * c[3] + d * c[6];
    float dy = other[1] - at[1] + a * c[1] + b * c[4] + d * c[7];
    float dz = other[2] - at[2] + a * c[2] + b * c[5] + d * c[8];
    float distance2 = dx * dx + dy * dy + dz * dz;
    x[n_found] = dx, y[n_found] = dy, z[n_found] = dz, r2[n_found] = distance2;
    found[n_found] = j, species[n_found] = s->species[j];
    n_found += !(distance2 >= reach); /* what is not a number goes on, and shows in the energy */
  }
  atom->n_edges = 0;
  struct edges *e = NULL;
  for (int64_t n_left = n_found, element = -1; n_left > 0;) {
    int32_t next = INT32_MAX;
    for (int64_t k = 0; k < n_found; k++)
      if (species[k] > element && species[k] < next) next = species[k];
    element = next;
    int lane = LANES;
    for (int64_t k = 0; k < n_found; k++) {
      if (species[k] != element) continue;
      if (lane == LANES) {
        e = atom->edges + atom->n_edges++;
        e->species = element;
        e->x = e->y = e->z = splat(0.0f);
        e->distance = splat(4 * p->cutoff * p->cutoff);
        lane = 0;
      }
      e->x[lane] = x[k], e->y[lane] = y[k], e->z[lane] = z[k], e->distance[lane] = r2[k];
      e->neighbor[lane] = found[k];
      e->count = ++lane;
      n_left--;
    }
  }
  for (int k = 0; k < atom->n_edges; k++) {
    e = atom->edges + k;
    e->distance = square_root(e->distance);
    e->inverse = 1.0f / e->distance;
    e->x *= e->inverse, e->y *= e->inverse, e->z *= e->inverse;
    radial_functions(p, e);
  }
}

/* The monomials of one direction as lanes: degrees 0 to 2 in the first vector, degree 3 in the second. */
INLINE void monomial_lanes(float x, float y, float z, vec m[MONOMIAL_VECS]) {
  const vec one_a = {1, 1, 1, 1}, x_a = {0, 0, 0, 0, 1, 1, 1}, y_a = {0, 0, 0, 0, 0, 0, 0, 1, 1},
            z_a = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  const vec one_b = {1}, x_b = {0, 1, 0, 0, 1}, y_b = {0, 0, 1, 0, 0, 1, 0, 1}, z_b = {0, 0, 0, 1, 0, 0, 1, 0, 1, 1};
  m[0] = (one_a + x_a * x + y_a * y + z_a * z) * (one_b + x_b * x + y_b * y + z_b * z);
#if L_MAX == 3
  /* xxx xxy xxz xyy xyz xzz yyy yyz yzz zzz: a monomial of degree 2 times an axis */
  const vec x_c = {1}, y_c = {0, 1, 0, 1, 0, 0, 1}, z_c = {0, 0, 1, 0, 1, 1, 0, 1, 1, 1};
  m[1] = SHUFFLE(m[0], m[0], 4, 4, 4, 5, 5, 6, 7, 7, 8, 9, 15, 15, 15, 15, 15, 15) * (x_c * x + y_c * y + z_c * z);
#endif
}

/* Sum over neighbours: sums[a][n] holds the monomials as lanes. */
static void sum_over_neighbors(const struct potential *p, const struct atom *atom,
                               float sums[N_EMBEDDING][N_RADIAL][MONOMIAL_VECS * LANES]) {
  vec total[N_EMBEDDING][N_RADIAL][MONOMIAL_VECS];
  memset(total, 0, sizeof total);
  for (int first = 0; first < atom->n_edges;) {
    int element = atom->edges[first].species;
    vec of_element[N_RADIAL][MONOMIAL_VECS];
    UNROLL for (int n = 0; n < N_RADIAL; n++) UNROLL for (int v = 0; v < MONOMIAL_VECS; v++) of_element[n][v] = splat(0);
    for (; first < atom->n_edges && atom->edges[first].species == element; first++) {
      const struct edges *e = atom->edges + first;
      const float *x = (const float *)&e->x, *y = (const float *)&e->y, *z = (const float *)&e->z;
      const float *radial = (const float *)e->radial;
      for (int lane = 0; lane < e->count; lane++) {
        vec m[MONOMIAL_VECS];
        monomial_lanes(x[lane], y[lane], z[lane], m);
        UNROLL for (int n = 0; n < N_RADIAL; n++)
          UNROLL for (int v = 0; v < MONOMIAL_VECS; v++) of_element[n][v] += radial[n * LANES + lane] * m[v];
      }
    }
    const float *sender = p->sender + element * N_EMBEDDING;
    UNROLL for (int a = 0; a < N_EMBEDDING; a++)
      UNROLL for (int n = 0; n < N_RADIAL; n++)
        UNROLL for (int v = 0; v < MONOMIAL_VECS; v++) total[a][n][v] += sender[a] * of_element[n][v];
  }
  memcpy(sums, total, sizeof total);
}

#define LANE_OF(monomial) ((monomial) < 10 ? (monomial) : (monomial) + LANES - 10)

/* Mix radial functions into channels, monomial by monomial. */
static void mix(const struct potential *p, float sums[N_EMBEDDING][N_RADIAL][MONOMIAL_VECS * LANES],
                vec mixed[N_EMBEDDING][N_MONOMIALS][MIXED_VECS]) {
  for (int a = 0; a < N_EMBEDDING; a++)
    UNROLL for (int m = 0; m < N_MONOMIALS; m++) {
      const vec *weights = (const vec *)p->mixing + (degree_of[m] * N_EMBEDDING + a) * N_RADIAL * MIXED_VECS;
      UNROLL for (int v = 0; v < MIXED_VECS; v++) {
        vec total = splat(0);
        UNROLL for (int n = 0; n < N_RADIAL; n++) total += sums[a][n][LANE_OF(m)] * weights[n * MIXED_VECS + v];
        mixed[a][m][v] = total;
      }
    }
}

#if NU_MAX == 3
/* v_i v_j M_ij; M_ij M_jk M_ki; T_ijk M_ij v_k; T_ijk T_ijl M_kl of one lane vector of tensors. */
INLINE void triple_contractions(const vec v[3], const vec m[6], const vec t[10], vec found[4]) {
  UNROLL for (int c = 0; c < 4; c++) found[c] = splat(0);
  UNROLL for (int i = 0; i < 3; i++) UNROLL for (int j = 0; j < 3; j++) {
    vec mij = m[matrix_at[i][j]], squared = splat(0), along = splat(0);
    UNROLL for (int k = 0; k < 3; k++) {
      vec tijk = t[rank3_at[i][j][k]], turned = splat(0);
      squared += m[matrix_at[i][k]] * m[matrix_at[k][j]];
      along += tijk * v[k];
      UNROLL for (int l = 0; l < 3; l++) turned += t[rank3_at[i][j][l]] * m[matrix_at[k][l]];
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
  UNROLL for (int i = 0; i < 3; i++) UNROLL for (int j = 0; j < 3; j++) {
    vec mij = m[matrix_at[i][j]], nij = n[matrix_at[i][j]], squared = splat(0), along = splat(0), cross = splat(0);
    UNROLL for (int k = 0; k < 3; k++) {
      vec tijk = t[rank3_at[i][j][k]], turned = splat(0);
      squared += m[matrix_at[i][k]] * n[matrix_at[k][j]];
      along += tijk * w[k];
      UNROLL for (int l = 0; l < 3; l++) {
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
static void invariants(const float *receiver, struct atom *atom) {
  for (int a = 0; a < N_EMBEDDING; a++)
    UNROLL for (int v = 0; v < MIXED_VECS; v++) {
      vec t = ((const vec *)receiver)[v], t2 = t * t;
      vec *features = atom->features + a * N_INVARIANTS * MIXED_VECS + v;
      vec squares[4] = {{0}, {0}, {0}, {0}};
      UNROLL for (int m = 1; m < N_MONOMIALS; m++) {
        vec value = atom->mixed[a][m][v];
        squares[degree_of[m]] += value * value * (float)multiplicity[m];
      }
      features[0] = atom->mixed[a][0][v] * t;
      UNROLL for (int l = 1; l <= L_MAX; l++) features[l * MIXED_VECS] = squares[l] * t2;
#if NU_MAX == 3
      vec tensors[20], found[4];
      UNROLL for (int m = 1; m < 20; m++) tensors[m] = atom->mixed[a][m][v];
      triple_contractions(tensors + 1, tensors + 4, tensors + 10, found);
      UNROLL for (int c = 0; c < 4; c++) features[(1 + L_MAX + c) * MIXED_VECS] = found[c] * t2 * t;
#endif
    }
}

/* ---- the readout, there and back ---------------------------------------------------------------------------------- */

INLINE float sigmoid(float x) { return 1 / (1 + expf(-x)); }

/* First layer and linear map of four atoms, (BLOCK, first rows), without the biases. */
static void first_layer(const struct potential *p, vec *const features[BLOCK], float out[BLOCK][MAX_WIDTH]) {
  const vec *weights = (const vec *)p->first;
  for (int row = 0; row < FIRST_ROWS; row += 4) {
    vec t[LANES];
    UNROLL for (int i = 0; i < LANES; i++) t[i] = splat(0);
    for (int f = 0; f < FEATURE_VECS; f++)
      UNROLL for (int r = 0; r < 4; r++) UNROLL for (int i = 0; i < BLOCK; i++)
        t[4 * r + i] += weights[(row + r) * FEATURE_VECS + f] * features[i][f];
    vec totals = sum_each(t);
    UNROLL for (int r = 0; r < 4; r++) UNROLL for (int i = 0; i < BLOCK; i++)
      out[i][row + r] = totals[4 * r + i];
  }
}

/* Features' gradients from those of the first layer's rows; they take the features' place. */
static void pull_back_first_layer(const struct potential *p, float gradient[BLOCK][MAX_WIDTH], vec *const features[BLOCK]) {
  const vec *weights = (const vec *)p->first;
  for (int f = 0; f + 4 <= (FEATURE_VECS + 3) / 4 * 4; f += 4) {
    vec t[LANES];
    int n = FEATURE_VECS - f < 4 ? FEATURE_VECS - f : 4;
    UNROLL for (int i = 0; i < LANES; i++) t[i] = splat(0);
    for (int row = 0; row <= widths[0]; row++) {
      const vec *at = weights + row * FEATURE_VECS + f;
      if (n == 4) {
        UNROLL for (int v = 0; v < 4; v++) UNROLL for (int i = 0; i < BLOCK; i++) t[4 * v + i] += gradient[i][row] * at[v];
      } else
        for (int v = 0; v < n; v++) UNROLL for (int i = 0; i < BLOCK; i++) t[4 * v + i] += gradient[i][row] * at[v];
    }
    for (int v = 0; v < n; v++) UNROLL for (int i = 0; i < BLOCK; i++) features[i][f + v] = t[4 * v + i];
  }
}

/* One atom's way through the readout after its first layer. `rows` becomes the gradient of the energy by the first rows. */
static float later_layers(const struct potential *p, float rows[MAX_WIDTH]) {
  float values[N_LAYERS][MAX_WIDTH], slopes[N_LAYERS][MAX_WIDTH], energy = rows[widths[0]];
  const float *weights = p->later;
  for (int i = 0; i < widths[0]; i++) values[0][i] = rows[i] + p->first_bias[i];
  energy += p->first_bias[widths[0]];
  UNROLL for (int layer = 0; layer + 1 < N_LAYERS; layer++) {
    const int n_in = widths[layer], n_out = widths[layer + 1];
    for (int i = 0; i < n_in; i++) { /* SiLU */
      float x = values[layer][i], gate = sigmoid(x);
      values[layer][i] = x * gate;
      slopes[layer][i] = gate * (1 + x * (1 - gate));
    }
    for (int o = 0; o < n_out; o++) {
      float total = weights[n_in * n_out + o];
      for (int i = 0; i < n_in; i++) total += weights[o * n_in + i] * values[layer][i];
      values[layer + 1][o] = total;
    }
    weights += (n_in + 1) * n_out;
  }
  energy += values[N_LAYERS - 1][0];
  float gradient[MAX_WIDTH] = {1};
  UNROLL for (int layer = N_LAYERS - 2; layer >= 0; layer--) {
    const int n_in = widths[layer], n_out = widths[layer + 1];
    float before[MAX_WIDTH];
    weights -= (n_in + 1) * n_out;
    for (int i = 0; i < n_in; i++) before[i] = 0;
    for (int o = 0; o < n_out; o++)
      for (int i = 0; i < n_in; i++) before[i] += gradient[o] * weights[o * n_in + i];
    for (int i = 0; i < n_in; i++) gradient[i] = before[i] * slopes[layer][i];
  }
  for (int i = 0; i < widths[0]; i++) rows[i] = gradient[i];
  rows[widths[0]] = 1;
  return energy;
}

/* ---- and back to the vectors -------------------------------------------------------------------------------------- */

/* The gradient by the mixed sums takes their place. */
static void pull_back_invariants(const float *receiver, struct atom *atom) {
  for (int a = 0; a < N_EMBEDDING; a++)
    UNROLL for (int v = 0; v < MIXED_VECS; v++) {
      vec t = ((const vec *)receiver)[v], t2 = t * t;
      const vec *gradient = atom->features + a * N_INVARIANTS * MIXED_VECS + v;
      vec slopes[N_MONOMIALS];
      slopes[0] = gradient[0] * t;
      UNROLL for (int m = 1; m < N_MONOMIALS; m++)
        slopes[m] = gradient[degree_of[m] * MIXED_VECS] * t2 * atom->mixed[a][m][v] * (2.0f * multiplicity[m]);
#if NU_MAX == 3
      vec tensors[20], g[4];
      UNROLL for (int m = 1; m < 20; m++) tensors[m] = atom->mixed[a][m][v];
      UNROLL for (int c = 0; c < 4; c++) g[c] = gradient[(1 + L_MAX + c) * MIXED_VECS] * t2 * t;
      pull_back_contractions(tensors + 1, tensors + 4, tensors + 10, tensors + 1, tensors + 4, tensors + 10, g, slopes + 1,
                             slopes + 4, slopes + 10);
#endif
      UNROLL for (int m = 0; m < N_MONOMIALS; m++) atom->mixed[a][m][v] = slopes[m];
    }
}

/* The gradient by the sums over neighbours, (a, n_radial x n_monomials). */
static void pull_back_mixing(const struct potential *p, vec mixed[N_EMBEDDING][N_MONOMIALS][MIXED_VECS],
                             vec terms[N_EMBEDDING][TERM_VECS]) {
  for (int a = 0; a < N_EMBEDDING; a++)
    UNROLL for (int block = 0; block < TERM_VECS; block++) {
      vec t[LANES];
      UNROLL for (int i = 0; i < LANES; i++) {
        const int q = block * LANES + i, n = q / N_MONOMIALS, m = q % N_MONOMIALS;
        t[i] = splat(0);
        if (q < N_TERMS) {
          const vec *weights =
              (const vec *)p->mixing + ((degree_of[m] * N_EMBEDDING + a) * N_RADIAL + n) * MIXED_VECS;
          UNROLL for (int v = 0; v < MIXED_VECS; v++) t[i] += weights[v] * mixed[a][m][v];
        }
      }
      terms[a][block] = sum_each(t);
    }
}

/* The gradient of the energy by sixteen vectors, from that by the sums over neighbours of their element. */
INLINE void pull_back_edges(const float g[TERM_VECS * LANES], const struct edges *e, vec *gx, vec *gy, vec *gz) {
  const vec x = e->x, y = e->y, z = e->z;
  vec m[N_MONOMIALS] = {splat(1), x, y, z, x * x, x * y, x * z, y * y, y * z, z * z};
#if L_MAX == 3
  const vec cubes[10] = {m[4] * x, m[4] * y, m[4] * z, m[7] * x, m[5] * z, m[9] * x, m[7] * y, m[7] * z, m[9] * y, m[9] * z};
  UNROLL for (int i = 0; i < 10; i++) m[10 + i] = cubes[i];
#endif
  vec by_distance = splat(0), s[N_MONOMIALS];
  UNROLL for (int k = 1; k < N_MONOMIALS; k++) s[k] = splat(0);
  UNROLL for (int n = 0; n < N_RADIAL; n++) {
    vec by_radial = splat(g[n * N_MONOMIALS]);
    UNROLL for (int k = 1; k < N_MONOMIALS; k++) {
      by_radial += g[n * N_MONOMIALS + k] * m[k];
      s[k] += g[n * N_MONOMIALS + k] * e->radial[n];
    }
    by_distance += by_radial * e->slope[n];
  }
  vec dx = s[1] + 2.0f * x * s[4] + y * s[5] + z * s[6];
  vec dy = s[2] + x * s[5] + 2.0f * y * s[7] + z * s[8];
  vec dz = s[3] + x * s[6] + y * s[8] + 2.0f * z * s[9];
#if L_MAX == 3
  dx += 3.0f * m[4] * s[10] + 2.0f * (m[5] * s[11] + m[6] * s[12]) + m[7] * s[13] + m[8] * s[14] + m[9] * s[15];
  dy += m[4] * s[11] + 2.0f * m[5] * s[13] + m[6] * s[14] + 3.0f * m[7] * s[16] + 2.0f * m[8] * s[17] + m[9] * s[18];
  dz += m[4] * s[12] + m[5] * s[14] + 2.0f * m[6] * s[15] + m[7] * s[17] + 2.0f * m[8] * s[18] + 3.0f * m[9] * s[19];
#endif
  vec radially = by_distance - (dx * x + dy * y + dz * z) * e->inverse; /* a direction can only turn */
  *gx = radially * x + dx * e->inverse;
  *gy = radially * y + dy * e->inverse;
  *gz = radially * z + dz * e->inverse;
}

/* What the answer of a structure is gathered in. */
struct answer {
  double energy;
  double *forces;   /* (n_atoms, 3), or NULL: energy only */
  double virial[9]; /* sum of vector (x) gradient, symmetric */
};

/* U = strength (reach/r - 1)^3 / 2 of one atom's neighbours within reach; its slope over r. */
INLINE vec core_repulsion(const struct potential *p, float radius, const struct edges *e, vec *energy) {
  vec reach = splat(p->contact * (radius + p->radii[e->species]));
  vec r = select_lanes(e->distance > 0.01f, e->distance, splat(0.01f));
  vec excess = reach / r - 1.0f;
  excess = select_lanes(excess > 0.0f, excess, splat(0));
  *energy += 0.5f * p->strength * excess * excess * excess;
  return -1.5f * p->strength * excess * excess * reach / (r * r * r);
}

static void add_gradients(const struct potential *p, const struct structure *s, const struct atom *atom,
                          vec terms[N_EMBEDDING][TERM_VECS], int64_t i, struct answer *answer) {
  double *forces = answer->forces, own[3] = {0, 0, 0};
  vec core = splat(0), virial[6] = {{0}, {0}, {0}, {0}, {0}, {0}};
  float radius = p->radii[s->species[i]];
  vec g[TERM_VECS];
  for (int k = 0; k < atom->n_edges; k++) {
    const struct edges *e = atom->edges + k;
    if (!k || e->species != e[-1].species) {
      const float *sender = p->sender + e->species * N_EMBEDDING;
      UNROLL for (int v = 0; v < TERM_VECS; v++) {
        g[v] = sender[0] * terms[0][v];
        for (int a = 1; a < N_EMBEDDING; a++) g[v] += sender[a] * terms[a][v];
      }
    }
    vec push[3];
    pull_back_edges((const float *)g, e, push, push + 1, push + 2);
    vec x = e->x * e->distance, y = e->y * e->distance, z = e->z * e->distance;
    if (p->contact > 0) {
      vec slope = core_repulsion(p, radius, e, &core);
      push[0] += slope * x, push[1] += slope * y, push[2] += slope * z;
    }
    virial[0] += x * push[0], virial[1] += y * push[1], virial[2] += z * push[2];
    virial[3] += x * push[1] + y * push[0], virial[4] += x * push[2] + z * push[0], virial[5] += y * push[2] + z * push[1];
    const float *px = (const float *)push, *py = px + LANES, *pz = py + LANES;
    for (int lane = 0; lane < e->count; lane++) {
      double *other = forces + 3 * e->neighbor[lane];
      own[0] += px[lane], own[1] += py[lane], own[2] += pz[lane];
      other[0] -= px[lane], other[1] -= py[lane], other[2] -= pz[lane];
    }
  }
  answer->energy += sum_lanes(core);
  static const int rows[6] = {0, 1, 2, 0, 0, 1}, columns[6] = {0, 1, 2, 1, 2, 2};
  for (int q = 0; q < 6; q++) {
    double total = sum_lanes(virial[q]) * (q < 3 ? 1 : 0.5);
    answer->virial[3 * rows[q] + columns[q]] += total;
    if (q >= 3) answer->virial[3 * columns[q] + rows[q]] += total;
  }
  for (int axis = 0; axis < 3; axis++) forces[3 * i + axis] += own[axis];
}

/* Energy, and where `answer->forces` is not NULL forces and virial, of one structure. */
static void evaluate(const struct potential *p, const struct structure *s, const struct neighbors *list,
                     struct workspace *w, struct answer *answer) {
  _Alignas(64) float sums[N_EMBEDDING][N_RADIAL][MONOMIAL_VECS * LANES];
  vec terms[N_EMBEDDING][TERM_VECS];
  float rows[BLOCK][MAX_WIDTH];
  vec *const features[BLOCK] = {w->atoms[0].features, w->atoms[1].features, w->atoms[2].features, w->atoms[3].features};
  answer->energy = 0;
  memset(answer->virial, 0, sizeof answer->virial);
  if (answer->forces) memset(answer->forces, 0, 3 * s->n_atoms * sizeof(double));
  for (int64_t first = 0; first < s->n_atoms; first += BLOCK) {
    int n = s->n_atoms - first < BLOCK ? s->n_atoms - first : BLOCK;
    for (int i = 0; i < n; i++) {
      struct atom *atom = w->atoms + i;
      gather_edges(p, s, list, w, first + i, atom);
      sum_over_neighbors(p, atom, sums);
      mix(p, sums, atom->mixed);
      invariants(p->receiver + s->species[first + i] * MIXED_VECS * LANES, atom);
    }
    first_layer(p, features, rows);
    for (int i = 0; i < n; i++) answer->energy += later_layers(p, rows[i]);
    if (!answer->forces) continue;
    pull_back_first_layer(p, rows, features);
    for (int i = 0; i < n; i++) {
      struct atom *atom = w->atoms + i;
      pull_back_invariants(p->receiver + s->species[first + i] * MIXED_VECS * LANES, atom);
      pull_back_mixing(p, atom->mixed, terms);
      add_gradients(p, s, atom, terms, first + i, answer);
    }
  }
}

#endif
