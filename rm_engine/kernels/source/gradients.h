/* The gradient of a loss by the weights, where the loss depends on energies, forces and virials.
 *
 * With c_i the loss's gradient by force i and S that by the virial, the part of it that comes through forces and virials is
 * the change of the energy when every vector r_ij to a neighbour changes along c_i - c_j + S r_ij. So everything on the way
 * to the energy is carried along with its change ("tangent": what is found by forward differentiation), and one way back
 * over both gives the gradient by all weights. Nothing is stored but what belongs to four atoms.
 */
#ifndef GRADIENTS_H
#define GRADIENTS_H

#include "potential.h"

/* In the layout of struct potential; what is found is added. */
struct gradients {
  float *frequencies, *sender, *receiver, *mixing, *first, *first_bias, *later;
};

/* The loss's gradient by the answer of one structure. */
struct cotangent {
  double energy;
  const double *forces; /* (n_atoms, 3) */
  double virial[9];     /* symmetric */
};

/* How sixteen neighbours move: their directions and distances. */
struct motion {
  vec x, y, z, distance;
};

/* Neighbours of one element: their sum, (radial, monomial), and its tangent. */
struct group {
  float sums[TERM_VECS * LANES], tangents[TERM_VECS * LANES];
  int first, n_edges, species;
};

struct tangent_atom {
  struct motion *motions;
  struct group *groups;
  int n_groups;
  float sums[N_EMBEDDING][N_RADIAL][MONOMIAL_VECS * LANES] __attribute__((aligned(64)));
  float tangents[N_EMBEDDING][N_RADIAL][MONOMIAL_VECS * LANES] __attribute__((aligned(64)));
  vec mixed[N_EMBEDDING][N_MONOMIALS][MIXED_VECS];
  vec features[FEATURE_VECS];
};

struct tangent_workspace {
  struct workspace *plain;
  struct tangent_atom atoms[BLOCK];
};

static void free_tangent_workspace(struct tangent_workspace *w) {
  if (!w) return;
  free_workspace(w->plain);
  for (int i = 0; i < BLOCK; i++) free(w->atoms[i].motions), free(w->atoms[i].groups);
  free(w);
}

static struct tangent_workspace *new_tangent_workspace(int64_t width, int64_t n_species) {
  struct tangent_workspace *w = aligned_alloc(64, (sizeof *w + 63) / 64 * 64);
  if (!w) return NULL;
  memset(w, 0, sizeof *w);
  w->plain = new_workspace();
  int fine = w->plain && reserve(w->plain, width, n_species);
  int64_t n_edges = width / LANES + n_species + 1;
  for (int i = 0; i < BLOCK; i++) {
    w->atoms[i].motions = aligned_alloc(64, n_edges * sizeof(struct motion));
    w->atoms[i].groups = aligned_alloc(64, (n_edges * sizeof(struct group) + 63) / 64 * 64);
    fine = fine && w->atoms[i].motions && w->atoms[i].groups;
  }
  if (fine) return w;
  free_tangent_workspace(w);
  return NULL;
}

/* ---- to the energy and its tangent -------------------------------------------------------------------------------- */

static void move_edges(const struct cotangent *c, int64_t i, const struct edges *e, struct motion *motion) {
  const double *own = c->forces + 3 * i, *s = c->virial;
  float own_x = own[0], own_y = own[1], own_z = own[2];
  vec other[3] = {splat(own_x), splat(own_y), splat(own_z)}; /* padding stays where it is */
  for (int lane = 0; lane < e->count; lane++) {
    const double *at = c->forces + 3 * e->neighbor[lane];
    other[0][lane] = at[0], other[1][lane] = at[1], other[2][lane] = at[2];
  }
  vec x = e->x * e->distance, y = e->y * e->distance, z = e->z * e->distance;
  vec dx = own_x - other[0] + x * (float)s[0] + y * (float)s[3] + z * (float)s[6];
  vec dy = own_y - other[1] + x * (float)s[1] + y * (float)s[4] + z * (float)s[7];
  vec dz = own_z - other[2] + x * (float)s[2] + y * (float)s[5] + z * (float)s[8];
  vec along = dx * e->x + dy * e->y + dz * e->z;
  motion->distance = along;
  motion->x = (dx - along * e->x) * e->inverse;
  motion->y = (dy - along * e->y) * e->inverse;
  motion->z = (dz - along * e->z) * e->inverse;
}

/* See monomial_lanes; d[] are the tangents when the direction moves by (dx, dy, dz). */
INLINE void moving_monomial_lanes(float x, float y, float z, float dx, float dy, float dz, vec m[MONOMIAL_VECS],
                                  vec d[MONOMIAL_VECS]) {
  const vec one_a = {1, 1, 1, 1}, x_a = {0, 0, 0, 0, 1, 1, 1}, y_a = {0, 0, 0, 0, 0, 0, 0, 1, 1},
            z_a = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  const vec one_b = {1}, x_b = {0, 1, 0, 0, 1}, y_b = {0, 0, 1, 0, 0, 1, 0, 1}, z_b = {0, 0, 0, 1, 0, 0, 1, 0, 1, 1};
  vec a = one_a + x_a * x + y_a * y + z_a * z, b = one_b + x_b * x + y_b * y + z_b * z;
  m[0] = a * b;
  d[0] = (x_a * dx + y_a * dy + z_a * dz) * b + a * (x_b * dx + y_b * dy + z_b * dz);
#if L_MAX == 3
  const vec x_c = {1}, y_c = {0, 1, 0, 1, 0, 0, 1}, z_c = {0, 0, 1, 0, 1, 1, 0, 1, 1, 1};
  vec square = SHUFFLE(m[0], m[0], 4, 4, 4, 5, 5, 6, 7, 7, 8, 9, 15, 15, 15, 15, 15, 15);
  vec moving = SHUFFLE(d[0], d[0], 4, 4, 4, 5, 5, 6, 7, 7, 8, 9, 15, 15, 15, 15, 15, 15);
  vec c = x_c * x + y_c * y + z_c * z;
  m[1] = square * c;
  d[1] = moving * c + square * (x_c * dx + y_c * dy + z_c * dz);
#endif
}

/* (radial, monomial) without gaps. */
static void flatten_terms(const vec sums[N_RADIAL][MONOMIAL_VECS], float flat[TERM_VECS * LANES]) {
  const float *lanes = (const float *)sums;
  memset(flat, 0, TERM_VECS * LANES * sizeof(float));
  for (int n = 0; n < N_RADIAL; n++)
    UNROLL for (int m = 0; m < N_MONOMIALS; m++)
      flat[n * N_MONOMIALS + m] = lanes[n * MONOMIAL_VECS * LANES + LANE_OF(m)];
}

static void sum_moving_neighbors(const struct potential *p, const struct atom *atom, struct tangent_atom *tangent) {
  vec total[N_EMBEDDING][N_RADIAL][MONOMIAL_VECS], total_tangent[N_EMBEDDING][N_RADIAL][MONOMIAL_VECS];
  memset(total, 0, sizeof total);
  memset(total_tangent, 0, sizeof total_tangent);
  tangent->n_groups = 0;
  for (int k = 0; k < atom->n_edges;) {
    struct group *group = tangent->groups + tangent->n_groups++;
    group->first = k;
    group->species = atom->edges[k].species;
    vec sums[N_RADIAL][MONOMIAL_VECS], tangents[N_RADIAL][MONOMIAL_VECS];
    memset(sums, 0, sizeof sums);
    memset(tangents, 0, sizeof tangents);
    for (; k < atom->n_edges && atom->edges[k].species == group->species; k++) {
      const struct edges *e = atom->edges + k;
      const struct motion *motion = tangent->motions + k;
      vec radial_tangents[N_RADIAL];
      UNROLL for (int n = 0; n < N_RADIAL; n++) radial_tangents[n] = e->slope[n] * motion->distance;
      const float *u = (const float *)&e->x, *du = (const float *)&motion->x;
      const float *radial = (const float *)e->radial, *moving = (const float *)radial_tangents;
      for (int lane = 0; lane < e->count; lane++) {
        vec m[MONOMIAL_VECS], d[MONOMIAL_VECS];
        moving_monomial_lanes(u[lane], u[lane + LANES], u[lane + 2 * LANES], du[lane], du[lane + LANES],
                              du[lane + 2 * LANES], m, d);
        UNROLL for (int n = 0; n < N_RADIAL; n++) UNROLL for (int v = 0; v < MONOMIAL_VECS; v++) {
          sums[n][v] += radial[n * LANES + lane] * m[v];
          tangents[n][v] += moving[n * LANES + lane] * m[v] + radial[n * LANES + lane] * d[v];
        }
      }
    }
    group->n_edges = k - group->first;
    flatten_terms(sums, group->sums);
    flatten_terms(tangents, group->tangents);
    const float *sender = p->sender + group->species * N_EMBEDDING;
    for (int a = 0; a < N_EMBEDDING; a++)
      UNROLL for (int n = 0; n < N_RADIAL; n++) UNROLL for (int v = 0; v < MONOMIAL_VECS; v++) {
        total[a][n][v] += sender[a] * sums[n][v];
        total_tangent[a][n][v] += sender[a] * tangents[n][v];
      }
  }
  memcpy(tangent->sums, total, sizeof total);
  memcpy(tangent->tangents, total_tangent, sizeof total_tangent);
}

#if NU_MAX == 3
/* The tangents of the four contractions. */
INLINE void moving_contractions(const vec v[3], const vec m[6], const vec t[10], const vec dv[3], const vec dm[6],
                                const vec dt[10], vec found[4]) {
  UNROLL for (int c = 0; c < 4; c++) found[c] = splat(0);
  UNROLL for (int i = 0; i < 3; i++) UNROLL for (int j = 0; j < 3; j++) {
    vec mij = m[matrix_at[i][j]], dmij = dm[matrix_at[i][j]], squared = splat(0), along = splat(0), moving = splat(0);
    UNROLL for (int k = 0; k < 3; k++) {
      vec tijk = t[rank3_at[i][j][k]], dtijk = dt[rank3_at[i][j][k]], turned = splat(0), turning = splat(0);
      squared += m[matrix_at[i][k]] * m[matrix_at[k][j]];
      along += tijk * v[k];
      moving += dtijk * v[k] + tijk * dv[k];
      UNROLL for (int l = 0; l < 3; l++) {
        turned += t[rank3_at[i][j][l]] * m[matrix_at[k][l]];
        turning += t[rank3_at[i][j][l]] * dm[matrix_at[k][l]];
      }
      found[3] += 2.0f * dtijk * turned + tijk * turning;
    }
    found[0] += 2.0f * dv[i] * v[j] * mij + v[i] * v[j] * dmij;
    found[1] += 3.0f * squared * dmij;
    found[2] += moving * mij + along * dmij;
  }
}
#endif

/* The tangents of the features; see invariants(). */
static void moving_invariants(const float *receiver, const struct atom *atom, struct tangent_atom *tangent) {
  for (int a = 0; a < N_EMBEDDING; a++)
    UNROLL for (int v = 0; v < MIXED_VECS; v++) {
      vec t = ((const vec *)receiver)[v], t2 = t * t;
      vec *features = tangent->features + a * N_INVARIANTS * MIXED_VECS + v;
      vec squares[4] = {{0}, {0}, {0}, {0}};
      UNROLL for (int m = 1; m < N_MONOMIALS; m++)
        squares[degree_of[m]] += atom->mixed[a][m][v] * tangent->mixed[a][m][v] * (2.0f * multiplicity[m]);
      features[0] = tangent->mixed[a][0][v] * t;
      UNROLL for (int l = 1; l <= L_MAX; l++) features[l * MIXED_VECS] = squares[l] * t2;
#if NU_MAX == 3
      vec x[20], dx[20], found[4];
      UNROLL for (int m = 1; m < 20; m++) x[m] = atom->mixed[a][m][v], dx[m] = tangent->mixed[a][m][v];
      moving_contractions(x + 1, x + 4, x + 10, dx + 1, dx + 4, dx + 10, found);
      UNROLL for (int c = 0; c < 4; c++) features[(1 + L_MAX + c) * MIXED_VECS] = found[c] * t2 * t;
#endif
    }
}

/* ---- the readout, there and back ---------------------------------------------------------------------------------- */

/* From the first rows and their tangents through the later layers and back; both become gradients by them. */
static void differentiate_layers(const struct potential *p, const struct gradients *out, double energy_cotangent,
                                 float rows[MAX_WIDTH], float tangents[MAX_WIDTH]) {
  float values[N_LAYERS][MAX_WIDTH], moving[N_LAYERS][MAX_WIDTH]; /* after SiLU */
  float slopes[N_LAYERS][MAX_WIDTH], bends[N_LAYERS][MAX_WIDTH];  /* its derivative, and the second times the tangent */
  const float *weights = p->later;
  for (int i = 0; i < widths[0]; i++) values[0][i] = rows[i] + p->first_bias[i], moving[0][i] = tangents[i];
  UNROLL for (int layer = 0; layer + 1 < N_LAYERS; layer++) {
    const int n_in = widths[layer], n_out = widths[layer + 1];
    for (int i = 0; i < n_in; i++) {
      float x = values[layer][i], dx = moving[layer][i], gate = sigmoid(x);
      slopes[layer][i] = gate * (1 + x * (1 - gate));
      bends[layer][i] = gate * (1 - gate) * (2 + x * (1 - 2 * gate)) * dx;
      values[layer][i] = x * gate;
      moving[layer][i] = slopes[layer][i] * dx;
    }
    for (int o = 0; o < n_out; o++) {
      float total = weights[n_in * n_out + o], total_tangent = 0;
      for (int i = 0; i < n_in; i++) {
        total += weights[o * n_in + i] * values[layer][i];
        total_tangent += weights[o * n_in + i] * moving[layer][i];
      }
      values[layer + 1][o] = total, moving[layer + 1][o] = total_tangent;
    }
    weights += (n_in + 1) * n_out;
  }
  float gradient[MAX_WIDTH] = {energy_cotangent}, by_tangent[MAX_WIDTH] = {1};
  UNROLL for (int layer = N_LAYERS - 2; layer >= 0; layer--) {
    const int n_in = widths[layer], n_out = widths[layer + 1];
    float before[MAX_WIDTH], before_tangent[MAX_WIDTH];
    weights -= (n_in + 1) * n_out;
    float *found = out->later + (weights - p->later);
    for (int i = 0; i < n_in; i++) before[i] = before_tangent[i] = 0;
    for (int o = 0; o < n_out; o++) {
      for (int i = 0; i < n_in; i++) {
        found[o * n_in + i] += gradient[o] * values[layer][i] + by_tangent[o] * moving[layer][i];
        before[i] += gradient[o] * weights[o * n_in + i];
        before_tangent[i] += by_tangent[o] * weights[o * n_in + i];
      }
      found[n_in * n_out + o] += gradient[o];
    }
    for (int i = 0; i < n_in; i++) {
      gradient[i] = slopes[layer][i] * before[i] + bends[layer][i] * before_tangent[i];
      by_tangent[i] = slopes[layer][i] * before_tangent[i];
    }
  }
  for (int i = 0; i < widths[0]; i++) rows[i] = gradient[i], tangents[i] = by_tangent[i];
  rows[widths[0]] = energy_cotangent, tangents[widths[0]] = 1; /* the linear map */
  for (int i = 0; i <= widths[0]; i++) out->first_bias[i] += rows[i];
}

static void add_first_layer(const struct gradients *out, float rows[BLOCK][MAX_WIDTH], float tangents[BLOCK][MAX_WIDTH],
                            vec *const features[BLOCK], vec *const moving[BLOCK]) {
  for (int row = 0; row <= widths[0]; row++) {
    vec *found = (vec *)out->first + row * FEATURE_VECS;
    for (int f = 0; f < FEATURE_VECS; f++) {
      vec total = found[f];
      UNROLL for (int i = 0; i < BLOCK; i++) total += rows[i][row] * features[i][f] + tangents[i][row] * moving[i][f];
      found[f] = total;
    }
  }
}

/* ---- and back to the weights -------------------------------------------------------------------------------------- */

/* From gradients by features to those by the mixed sums, which take their place, and by the receiver's embedding. */
static void differentiate_invariants(const float *receiver, float *out, struct atom *atom, struct tangent_atom *tangent) {
  for (int a = 0; a < N_EMBEDDING; a++)
    UNROLL for (int v = 0; v < MIXED_VECS; v++) {
      vec t = ((const vec *)receiver)[v], t2 = t * t;
      const vec *gradient = atom->features + a * N_INVARIANTS * MIXED_VECS + v;
      const vec *by_tangent = tangent->features + a * N_INVARIANTS * MIXED_VECS + v;
      vec by_embedding = gradient[0] * atom->mixed[a][0][v] + by_tangent[0] * tangent->mixed[a][0][v];
      vec slopes[N_MONOMIALS], bends[N_MONOMIALS]; /* gradients by the sums and by their tangents */
      slopes[0] = gradient[0] * t, bends[0] = by_tangent[0] * t;
      UNROLL for (int m = 1; m < N_MONOMIALS; m++) {
        vec g = gradient[degree_of[m] * MIXED_VECS] * (2.0f * multiplicity[m]);
        vec dg = by_tangent[degree_of[m] * MIXED_VECS] * (2.0f * multiplicity[m]);
        vec x = atom->mixed[a][m][v], dx = tangent->mixed[a][m][v];
        slopes[m] = t2 * (g * x + dg * dx), bends[m] = t2 * dg * x;
        by_embedding += t * (g * x + 2.0f * dg * dx) * x;
      }
#if NU_MAX == 3
      vec x[20], dx[20], g[4], dg[4], found[4], moving[4];
      UNROLL for (int m = 1; m < 20; m++) x[m] = atom->mixed[a][m][v], dx[m] = tangent->mixed[a][m][v];
      triple_contractions(x + 1, x + 4, x + 10, found);
      moving_contractions(x + 1, x + 4, x + 10, dx + 1, dx + 4, dx + 10, moving);
      UNROLL for (int c = 0; c < 4; c++) {
        g[c] = gradient[(1 + L_MAX + c) * MIXED_VECS], dg[c] = by_tangent[(1 + L_MAX + c) * MIXED_VECS];
        by_embedding += 3.0f * t2 * (g[c] * found[c] + dg[c] * moving[c]);
        g[c] *= t2 * t, dg[c] *= t2 * t;
      }
      pull_back_contractions(x + 1, x + 4, x + 10, x + 1, x + 4, x + 10, g, slopes + 1, slopes + 4, slopes + 10);
      pull_back_contractions(x + 1, x + 4, x + 10, dx + 1, dx + 4, dx + 10, dg, slopes + 1, slopes + 4, slopes + 10);
      pull_back_contractions(dx + 1, dx + 4, dx + 10, x + 1, x + 4, x + 10, dg, slopes + 1, slopes + 4, slopes + 10);
      pull_back_contractions(x + 1, x + 4, x + 10, x + 1, x + 4, x + 10, dg, bends + 1, bends + 4, bends + 10);
#endif
      UNROLL for (int m = 0; m < N_MONOMIALS; m++) atom->mixed[a][m][v] = slopes[m], tangent->mixed[a][m][v] = bends[m];
      ((vec *)out)[v] += by_embedding;
    }
}

static void add_mixing(const struct gradients *out, const struct atom *atom, const struct tangent_atom *tangent) {
  for (int a = 0; a < N_EMBEDDING; a++)
    for (int n = 0; n < N_RADIAL; n++)
      UNROLL for (int v = 0; v < MIXED_VECS; v++) {
        vec totals[4] = {{0}, {0}, {0}, {0}};
        UNROLL for (int m = 0; m < N_MONOMIALS; m++)
          totals[degree_of[m]] += tangent->sums[a][n][LANE_OF(m)] * atom->mixed[a][m][v] +
                                  tangent->tangents[a][n][LANE_OF(m)] * tangent->mixed[a][m][v];
        UNROLL for (int l = 0; l <= L_MAX; l++)
          ((vec *)out->mixing)[((l * N_EMBEDDING + a) * N_RADIAL + n) * MIXED_VECS + v] += totals[l];
      }
}

/* Gradients by the frequencies of sixteen neighbours; g and dg are those by the sums over their element and by the
 * tangents of these. */
INLINE void add_frequencies(const struct potential *p, const struct edges *e, const struct motion *motion,
                            const float *g, const float *dg, vec totals[N_RADIAL]) {
  const vec x = e->x, y = e->y, z = e->z, dx = motion->x, dy = motion->y, dz = motion->z;
  vec m[N_MONOMIALS] = {splat(1), x, y, z, x * x, x * y, x * z, y * y, y * z, z * z};
  vec d[N_MONOMIALS] = {splat(0), dx, dy, dz, 2.0f * x * dx, x * dy + y * dx, x * dz + z * dx, 2.0f * y * dy,
                        y * dz + z * dy, 2.0f * z * dz};
#if L_MAX == 3
  const int square[10] = {4, 4, 4, 7, 5, 9, 7, 7, 9, 9};
  const vec axis[10] = {x, y, z, x, z, x, y, z, y, z}, moving[10] = {dx, dy, dz, dx, dz, dx, dy, dz, dy, dz};
  UNROLL for (int i = 0; i < 10; i++) {
    m[10 + i] = m[square[i]] * axis[i];
    d[10 + i] = d[square[i]] * axis[i] + m[square[i]] * moving[i];
  }
#endif
  float scale = sqrtf(2 / p->cutoff);
  vec r = select_lanes(e->distance < p->cutoff, e->distance, splat(p->cutoff)), inverse = 1.0f / r;
  vec part = r / p->cutoff, rest = 1.0f - part;
  vec envelope = (1.0f + part * part * (-6.0f + part * (8.0f - 3.0f * part))) * scale * inverse;
  vec fall = (part * rest * rest * (-12.0f * scale / p->cutoff) - envelope) * inverse;
  UNROLL for (int n = 0; n < N_RADIAL; n++) {
    vec by_radial = splat(0), by_tangent = splat(0), sine, cosine;
    UNROLL for (int k = 0; k < N_MONOMIALS; k++) {
      by_radial += g[n * N_MONOMIALS + k] * m[k] + dg[n * N_MONOMIALS + k] * d[k];
      by_tangent += dg[n * N_MONOMIALS + k] * m[k];
    }
    sine_cosine(r * p->frequencies[n], &sine, &cosine);
    vec of_slope = envelope * (cosine - p->frequencies[n] * r * sine) + fall * r * cosine;
    totals[n] += by_radial * envelope * r * cosine + by_tangent * motion->distance * of_slope;
  }
}

static void add_edges(const struct potential *p, const struct gradients *out, const struct atom *atom,
                      const struct tangent_atom *tangent, vec terms[N_EMBEDDING][TERM_VECS],
                      vec moving[N_EMBEDDING][TERM_VECS], vec frequencies[N_RADIAL]) {
  for (int k = 0; k < tangent->n_groups; k++) {
    const struct group *group = tangent->groups + k;
    const float *sender = p->sender + group->species * N_EMBEDDING;
    vec g[TERM_VECS], dg[TERM_VECS];
    memset(g, 0, sizeof g);
    memset(dg, 0, sizeof dg);
    for (int a = 0; a < N_EMBEDDING; a++) {
      vec by_sender = splat(0);
      UNROLL for (int v = 0; v < TERM_VECS; v++) {
        by_sender += terms[a][v] * ((const vec *)group->sums)[v] + moving[a][v] * ((const vec *)group->tangents)[v];
        g[v] += sender[a] * terms[a][v], dg[v] += sender[a] * moving[a][v];
      }
      out->sender[group->species * N_EMBEDDING + a] += sum_lanes(by_sender);
    }
    for (int q = group->first; q < group->first + group->n_edges; q++)
      add_frequencies(p, atom->edges + q, tangent->motions + q, (const float *)g, (const float *)dg, frequencies);
  }
}

/* Adds the gradients of one structure. */
static void differentiate(const struct potential *p, const struct structure *s, const struct neighbors *list,
                          const struct cotangent *c, struct tangent_workspace *w, const struct gradients *out) {
  float rows[BLOCK][MAX_WIDTH], tangent_rows[BLOCK][MAX_WIDTH];
  vec terms[N_EMBEDDING][TERM_VECS], moving_terms[N_EMBEDDING][TERM_VECS], frequencies[N_RADIAL];
  vec *features[BLOCK], *moving[BLOCK];
  memset(frequencies, 0, sizeof frequencies);
  for (int i = 0; i < BLOCK; i++) features[i] = w->plain->atoms[i].features, moving[i] = w->atoms[i].features;
  for (int64_t first = 0; first < s->n_atoms; first += BLOCK) {
    int n = s->n_atoms - first < BLOCK ? s->n_atoms - first : BLOCK;
    for (int i = 0; i < n; i++) {
      struct atom *atom = w->plain->atoms + i;
      struct tangent_atom *tangent = w->atoms + i;
      const float *receiver = p->receiver + s->species[first + i] * MIXED_VECS * LANES;
      gather_edges(p, s, list, w->plain, first + i, atom);
      for (int k = 0; k < atom->n_edges; k++) move_edges(c, first + i, atom->edges + k, tangent->motions + k);
      sum_moving_neighbors(p, atom, tangent);
      mix(p, tangent->sums, atom->mixed);
      mix(p, tangent->tangents, tangent->mixed);
      invariants(receiver, atom);
      moving_invariants(receiver, atom, tangent);
    }
    first_layer(p, features, rows);
    first_layer(p, moving, tangent_rows);
    for (int i = 0; i < n; i++) differentiate_layers(p, out, c->energy, rows[i], tangent_rows[i]);
    for (int i = n; i < BLOCK; i++) { /* nobody there */
      memset(rows[i], 0, sizeof rows[i]);
      memset(tangent_rows[i], 0, sizeof tangent_rows[i]);
    }
    add_first_layer(out, rows, tangent_rows, features, moving);
    pull_back_first_layer(p, rows, features);
    pull_back_first_layer(p, tangent_rows, moving);
    for (int i = 0; i < n; i++) {
      struct atom *atom = w->plain->atoms + i;
      struct tangent_atom *tangent = w->atoms + i;
      int64_t receiver = s->species[first + i] * MIXED_VECS * LANES;
      differentiate_invariants(p->receiver + receiver, out->receiver + receiver, atom, tangent);
      add_mixing(out, atom, tangent);
      pull_back_mixing(p, atom->mixed, terms);
      pull_back_mixing(p, tangent->mixed, moving_terms);
      add_edges(p, out, atom, tangent, terms, moving_terms, frequencies);
    }
  }
  for (int n = 0; n < N_RADIAL; n++) out->frequencies[n] += sum_lanes(frequencies[n]);
}

#endif
