/* From neighbours to the sums over them. */
#ifndef EDGES_H
#define EDGES_H

#include "layout.h"

/* R_n(r) = sqrt(2/cutoff) sin(w_n r)/r f(r/cutoff), f = 1 - 6 x^2 + 8 x^3 - 3 x^4: the factor of the sine, its
 * derivative, and r, no more than the cutoff. */
INLINE vec envelope_of(const struct potential* p, vec distance, vec* envelope, vec* fall) {
  float scale = sqrtf(2 / p->cutoff);
  vec r = select_lanes(distance < p->cutoff, distance, splat(p->cutoff));
  vec x = r / p->cutoff, rest = 1.0f - x, inverse = 1.0f / r;
  *envelope = (1.0f + x * x * (-6.0f + x * (8.0f - 3.0f * x))) * scale * inverse;
  *fall = (x * rest * rest * (-12.0f * scale / p->cutoff) - *envelope) * inverse;
  return r;
}

/* The radial functions and their derivatives. */
INLINE void radial_functions(const struct potential* p, struct edges* e) {
  vec envelope, fall, r = envelope_of(p, e->distance, &envelope, &fall);
  EACH (n, N_RADIAL) {
    vec sine, cosine;
    sine_cosine(r * p->frequencies[n], &sine, &cosine);
    e->radial[n] = sine * envelope;
    e->slope[n] = cosine * envelope * p->frequencies[n] + sine * fall;
  }
}

/* Find the neighbours of atom i within the cutoff, element by element. */
static void gather_edges(const struct potential* p, const struct structure* s, const struct neighbors* list,
                         struct workspace* w, int64_t i, struct atom* atom) {
  const double *at = s->positions + 3 * i, *c = s->cell;
  int64_t width = w->width, count = list->counts[i], n_found = 0;
  const int64_t* index = list->index + i * list->width;
  const float* image = list->image + 3 * i * list->width;
  float* restrict x = w->found, * restrict y = x + width, * restrict z = y + width, * restrict r2 = z + width;
  int32_t* restrict found = w->found_index, * restrict species = (int32_t*)(r2 + width);
  float reach = p->cutoff * p->cutoff;
  for (int64_t k = 0; k < count; k++) {
    int64_t j = index[k] - list->base;
    const double* other = s->positions + 3 * j;
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
  struct edges* e = NULL;
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

#define WIDE (MONOMIAL_VECS * LANES)

/* Every monomial is a product of L_MAX factors, each 1 or an axis: for every factor where it is 1, x, y, z. */
static const float factors[3][4][32] __attribute__((aligned(64))) = {
    {{[0] = 1, [1] = 1, [2] = 1, [3] = 1},
     {[4] = 1, [5] = 1, [6] = 1, [10] = 1, [11] = 1, [12] = 1, [13] = 1, [14] = 1, [15] = 1},
     {[7] = 1, [8] = 1, [16] = 1, [17] = 1, [18] = 1},
     {[9] = 1, [19] = 1}},
    {{[0] = 1},
     {[1] = 1, [4] = 1, [10] = 1, [11] = 1, [12] = 1},
     {[2] = 1, [5] = 1, [7] = 1, [13] = 1, [14] = 1, [16] = 1, [17] = 1},
     {[3] = 1, [6] = 1, [8] = 1, [9] = 1, [15] = 1, [18] = 1, [19] = 1}},
    {{[0] = 1, [1] = 1, [2] = 1, [3] = 1, [4] = 1, [5] = 1, [6] = 1, [7] = 1, [8] = 1, [9] = 1},
     {[10] = 1},
     {[11] = 1, [13] = 1, [16] = 1},
     {[12] = 1, [14] = 1, [15] = 1, [17] = 1, [18] = 1, [19] = 1}},
};

/* Factor k of the monomials in vector v; the last one is 1 for those of lower degree. */
INLINE vec factor(int k, int v, float x, float y, float z) {
  const vec *one = (const vec*)factors[k][0] + v, *of_x = (const vec*)factors[k][1] + v;
  const vec *of_y = (const vec*)factors[k][2] + v, *of_z = (const vec*)factors[k][3] + v;
  return *one + *of_x * x + *of_y * y + *of_z * z;
}

/* How the factor changes when the direction moves by (dx, dy, dz). */
INLINE vec moving_factor(int k, int v, float dx, float dy, float dz) {
  return factor(k, v, dx, dy, dz) - *((const vec*)factors[k][0] + v);
}

/* The monomials of one direction as lanes. */
INLINE void monomial_lanes(float x, float y, float z, vec m[MONOMIAL_VECS]) {
  EACH (v, MONOMIAL_VECS) {
    m[v] = factor(0, v, x, y, z) * factor(1, v, x, y, z);
    if ((v + 1) * LANES > 10 && L_MAX == 3) m[v] *= factor(2, v, x, y, z);
  }
}

/* Sum over neighbours: sums[a][n] holds the monomials as lanes. */
static void sum_over_neighbors(const struct potential* p, const struct atom* atom,
                               float sums[N_EMBEDDING][N_RADIAL][WIDE]) {
  vec total[N_EMBEDDING][N_RADIAL][MONOMIAL_VECS];
  memset(total, 0, sizeof total);
  for (int first = 0; first < atom->n_edges;) {
    int element = atom->edges[first].species;
    vec of_element[N_RADIAL][MONOMIAL_VECS];
    EACH (n, N_RADIAL)
      EACH (v, MONOMIAL_VECS) of_element[n][v] = splat(0);
    for (; first < atom->n_edges && atom->edges[first].species == element; first++) {
      const struct edges* e = atom->edges + first;
      const float *x = (const float*)&e->x, *y = (const float*)&e->y, *z = (const float*)&e->z;
      const float* radial = (const float*)e->radial;
      for (int lane = 0; lane < e->count; lane++) {
        vec m[MONOMIAL_VECS];
        monomial_lanes(x[lane], y[lane], z[lane], m);
        EACH (n, N_RADIAL)
          EACH (v, MONOMIAL_VECS) of_element[n][v] += radial[n * LANES + lane] * m[v];
      }
    }
    const float* sender = p->sender + element * N_EMBEDDING;
    EACH (a, N_EMBEDDING)
      EACH (n, N_RADIAL)
        EACH (v, MONOMIAL_VECS) total[a][n][v] += sender[a] * of_element[n][v];
  }
  memcpy(sums, total, sizeof total);
}

#endif
