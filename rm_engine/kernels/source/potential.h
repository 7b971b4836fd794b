/* The CACE potential for one structure: atomic energies and their gradient by the vectors to neighbours.
 *
 * Compiled for one configuration: N_EMBEDDING, N_RADIAL, N_CHANNELS, L_MAX, NU_MAX, N_LAYERS and WIDTHS (of the
 * readout's layers) are constants, so that every loop but those over atoms and neighbours has a known length and runs
 * in registers.
 *
 * Neighbours are taken as many at a time as there are lanes, and grouped by element. The sum over the neighbours of one
 * element needs no embedding, which then multiplies the sum: with few elements in a structure that is a quarter of the
 * work. Four atoms go through the readout together, so that its weights are read once for the four.
 */
#ifndef POTENTIAL_H
#define POTENTIAL_H

#include "edges.h"
#include "invariants.h"
#include "readout.h"

/* The gradient of the energy by vectors to neighbours, from that by the sums over neighbours of their element. */
INLINE void pull_back_edges(const float g[TERM_VECS * LANES], const struct edges* e, vec* gx, vec* gy, vec* gz) {
  const vec x = e->x, y = e->y, z = e->z;
  vec m[N_MONOMIALS] = {splat(1), x, y, z, x * x, x * y, x * z, y * y, y * z, z * z};
#if L_MAX == 3
  const vec cubes[10] = {m[4] * x, m[4] * y, m[4] * z, m[7] * x, m[5] * z,
                         m[9] * x, m[7] * y, m[7] * z, m[9] * y, m[9] * z};
  EACH (i, 10) m[10 + i] = cubes[i];
#endif
  vec by_distance = splat(0), s[N_MONOMIALS];
  UNROLL for (int k = 1; k < N_MONOMIALS; k++)
    s[k] = splat(0);
  EACH (n, N_RADIAL) {
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
  double* forces;   /* (n_atoms, 3), or NULL: energy only */
  double virial[9]; /* sum of vector (x) gradient, symmetric */
};

/* U = strength (reach/r - 1)^3 / 2 of one atom's neighbours within reach; its slope over r. */
INLINE vec core_repulsion(const struct potential* p, float radius, const struct edges* e, vec* energy) {
  vec reach = splat(p->contact * (radius + p->radii[e->species]));
  vec r = select_lanes(e->distance > 0.01f, e->distance, splat(0.01f));
  vec excess = reach / r - 1.0f;
  excess = select_lanes(excess > 0.0f, excess, splat(0));
  *energy += 0.5f * p->strength * excess * excess * excess;
  return -1.5f * p->strength * excess * excess * reach / (r * r * r);
}

static void add_gradients(const struct potential* p, const struct structure* s, const struct atom* atom,
                          vec terms[N_EMBEDDING][TERM_VECS], int64_t i, struct answer* answer) {
  double *forces = answer->forces, own[3] = {0, 0, 0};
  vec core = splat(0), virial[6] = {{0}, {0}, {0}, {0}, {0}, {0}};
  float radius = p->radii[s->species[i]];
  vec g[TERM_VECS];
  for (int k = 0; k < atom->n_edges; k++) {
    const struct edges* e = atom->edges + k;
    if (!k || e->species != e[-1].species) {
      const float* sender = p->sender + e->species * N_EMBEDDING;
      EACH (v, TERM_VECS) {
        g[v] = sender[0] * terms[0][v];
        for (int a = 1; a < N_EMBEDDING; a++) g[v] += sender[a] * terms[a][v];
      }
    }
    vec push[3];
    pull_back_edges((const float*)g, e, push, push + 1, push + 2);
    vec x = e->x * e->distance, y = e->y * e->distance, z = e->z * e->distance;
    if (p->contact > 0) {
      vec slope = core_repulsion(p, radius, e, &core);
      push[0] += slope * x, push[1] += slope * y, push[2] += slope * z;
    }
    virial[0] += x * push[0], virial[1] += y * push[1], virial[2] += z * push[2];
    virial[3] += x * push[1] + y * push[0], virial[4] += x * push[2] + z * push[0],
        virial[5] += y * push[2] + z * push[1];
    const float *px = (const float*)push, *py = px + LANES, *pz = py + LANES;
    for (int lane = 0; lane < e->count; lane++) {
      double* other = forces + 3 * e->neighbor[lane];
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
static void evaluate(const struct potential* p, const struct structure* s, const struct neighbors* list,
                     struct workspace* w, struct answer* answer) {
  _Alignas(64) float sums[N_EMBEDDING][N_RADIAL][WIDE];
  vec terms[N_EMBEDDING][TERM_VECS];
  float rows[BLOCK][MAX_WIDTH];
  vec* const features[BLOCK] = {w->atoms[0].features, w->atoms[1].features, w->atoms[2].features, w->atoms[3].features};
  answer->energy = 0;
  memset(answer->virial, 0, sizeof answer->virial);
  if (answer->forces) memset(answer->forces, 0, 3 * s->n_atoms * sizeof(double));
  for (int64_t first = 0; first < s->n_atoms; first += BLOCK) {
    int n = s->n_atoms - first < BLOCK ? s->n_atoms - first : BLOCK;
    for (int i = 0; i < n; i++) {
      struct atom* atom = w->atoms + i;
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
      struct atom* atom = w->atoms + i;
      pull_back_invariants(p->receiver + s->species[first + i] * MIXED_VECS * LANES, atom);
      pull_back_mixing(p, atom->mixed, terms);
      add_gradients(p, s, atom, terms, first + i, answer);
    }
  }
}

#endif
