/* The gradient of a loss by the weights, where the loss depends on energies, forces and virials.
 *
 * With c_i the loss's gradient by force i and S that by the virial, the part of it that comes through forces and
 * virials is the change of the energy when every vector r_ij to a neighbour changes along c_i - c_j + S r_ij. So
 * everything on the way to the energy is carried along with its change ("tangent": what is found by forward
 * differentiation), and one way back over both gives the gradient by all weights. Nothing is stored but what belongs to
 * four atoms.
 */
#ifndef GRADIENTS_H
#define GRADIENTS_H

#include "tangents.h"

/* In the layout of struct potential; what is found is added. */
struct gradients {
  float *frequencies, *sender, *receiver, *mixing, *first, *first_bias, *later;
};

/* From the first rows and their tangents through the later layers and back; both become gradients by them. */
static void differentiate_layers(const struct potential* p, const struct gradients* out, double energy_cotangent,
                                 float rows[MAX_WIDTH], float tangents[MAX_WIDTH]) {
  float values[N_LAYERS][MAX_WIDTH], moving[N_LAYERS][MAX_WIDTH]; /* after SiLU */
  float slopes[N_LAYERS][MAX_WIDTH], bends[N_LAYERS][MAX_WIDTH];  /* its derivative, and the second times the tangent */
  const float* weights = p->later;
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
    float* found = out->later + (weights - p->later);
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

static void add_first_layer(const struct gradients* out, float rows[BLOCK][MAX_WIDTH], float tangents[BLOCK][MAX_WIDTH],
                            vec* const features[BLOCK], vec* const moving[BLOCK]) {
  for (int row = 0; row <= widths[0]; row++) {
    vec* found = (vec*)out->first + row * FEATURE_VECS;
    for (int f = 0; f < FEATURE_VECS; f++) {
      vec total = found[f];
      EACH (i, BLOCK) total += rows[i][row] * features[i][f] + tangents[i][row] * moving[i][f];
      found[f] = total;
    }
  }
}

/* From gradients by features to those by the mixed sums, which take their place, and by the receiver's embedding. */
static void differentiate_invariants(const float* receiver, float* out, struct atom* atom,
                                     struct tangent_atom* tangent) {
  for (int a = 0; a < N_EMBEDDING; a++)
    EACH (v, MIXED_VECS) {
      vec t = ((const vec*)receiver)[v], t2 = t * t;
      const vec* gradient = atom->features + a * N_INVARIANTS * MIXED_VECS + v;
      const vec* by_tangent = tangent->features + a * N_INVARIANTS * MIXED_VECS + v;
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
      UNROLL for (int m = 1; m < 20; m++)
        x[m] = atom->mixed[a][m][v], dx[m] = tangent->mixed[a][m][v];
      triple_contractions(x + 1, x + 4, x + 10, found);
      moving_contractions(x + 1, x + 4, x + 10, dx + 1, dx + 4, dx + 10, moving);
      EACH (c, 4) {
        g[c] = gradient[(1 + L_MAX + c) * MIXED_VECS], dg[c] = by_tangent[(1 + L_MAX + c) * MIXED_VECS];
        by_embedding += 3.0f * t2 * (g[c] * found[c] + dg[c] * moving[c]);
        g[c] *= t2 * t, dg[c] *= t2 * t;
      }
      pull_back_contractions(x + 1, x + 4, x + 10, x + 1, x + 4, x + 10, g, slopes + 1, slopes + 4, slopes + 10);
      pull_back_contractions(x + 1, x + 4, x + 10, dx + 1, dx + 4, dx + 10, dg, slopes + 1, slopes + 4, slopes + 10);
      pull_back_contractions(dx + 1, dx + 4, dx + 10, x + 1, x + 4, x + 10, dg, slopes + 1, slopes + 4, slopes + 10);
      pull_back_contractions(x + 1, x + 4, x + 10, x + 1, x + 4, x + 10, dg, bends + 1, bends + 4, bends + 10);
#endif
      EACH (m, N_MONOMIALS) atom->mixed[a][m][v] = slopes[m], tangent->mixed[a][m][v] = bends[m];
      ((vec*)out)[v] += by_embedding;
    }
}

static void add_mixing(const struct gradients* out, const struct atom* atom, const struct tangent_atom* tangent) {
  for (int a = 0; a < N_EMBEDDING; a++)
    for (int n = 0; n < N_RADIAL; n++)
      EACH (v, MIXED_VECS) {
        vec totals[4] = {{0}, {0}, {0}, {0}};
        EACH (m, N_MONOMIALS)
          totals[degree_of[m]] +=
              tangent->sums[a][n][m] * atom->mixed[a][m][v] + tangent->tangents[a][n][m] * tangent->mixed[a][m][v];
        UNROLL for (int l = 0; l <= L_MAX; l++)
          ((vec*)out->mixing)[((l * N_EMBEDDING + a) * N_RADIAL + n) * MIXED_VECS + v] += totals[l];
      }
}

/* Gradients by the frequencies, of as many neighbours as there are lanes; g and dg are those by the sums over their
 * element and by the tangents of these. */
INLINE void add_frequencies(const struct potential* p, const struct edges* e, const struct motion* motion,
                            const float* g, const float* dg, vec totals[N_RADIAL]) {
  const vec x = e->x, y = e->y, z = e->z, dx = motion->x, dy = motion->y, dz = motion->z;
  vec m[N_MONOMIALS] = {splat(1), x, y, z, x * x, x * y, x * z, y * y, y * z, z * z};
  vec d[N_MONOMIALS] = {
      splat(0),        dx,           dy, dz, 2.0f * x * dx, x * dy + y * dx, x * dz + z * dx, 2.0f * y * dy,
      y * dz + z * dy, 2.0f * z * dz};
#if L_MAX == 3
  const int square[10] = {4, 4, 4, 7, 5, 9, 7, 7, 9, 9};
  const vec axis[10] = {x, y, z, x, z, x, y, z, y, z}, moving[10] = {dx, dy, dz, dx, dz, dx, dy, dz, dy, dz};
  EACH (i, 10) {
    m[10 + i] = m[square[i]] * axis[i];
    d[10 + i] = d[square[i]] * axis[i] + m[square[i]] * moving[i];
  }
#endif
  vec envelope, fall, r = envelope_of(p, e->distance, &envelope, &fall);
  EACH (n, N_RADIAL) {
    vec by_radial = splat(0), by_tangent = splat(0), sine, cosine;
    EACH (k, N_MONOMIALS) {
      by_radial += g[n * N_MONOMIALS + k] * m[k] + dg[n * N_MONOMIALS + k] * d[k];
      by_tangent += dg[n * N_MONOMIALS + k] * m[k];
    }
    sine_cosine(r * p->frequencies[n], &sine, &cosine);
    vec of_slope = envelope * (cosine - p->frequencies[n] * r * sine) + fall * r * cosine;
    totals[n] += by_radial * envelope * r * cosine + by_tangent * motion->distance * of_slope;
  }
}

static void add_edges(const struct potential* p, const struct gradients* out, const struct atom* atom,
                      const struct tangent_atom* tangent, vec terms[N_EMBEDDING][TERM_VECS],
                      vec moving[N_EMBEDDING][TERM_VECS], vec frequencies[N_RADIAL]) {
  for (int k = 0; k < tangent->n_groups; k++) {
    const struct group* group = tangent->groups + k;
    const float* sender = p->sender + group->species * N_EMBEDDING;
    vec g[TERM_VECS], dg[TERM_VECS];
    memset(g, 0, sizeof g);
    memset(dg, 0, sizeof dg);
    for (int a = 0; a < N_EMBEDDING; a++) {
      vec by_sender = splat(0);
      EACH (v, TERM_VECS) {
        by_sender += terms[a][v] * group->sums[v] + moving[a][v] * group->tangents[v];
        g[v] += sender[a] * terms[a][v], dg[v] += sender[a] * moving[a][v];
      }
      out->sender[group->species * N_EMBEDDING + a] += sum_lanes(by_sender);
    }
    for (int q = group->first; q < group->first + group->n_edges; q++)
      add_frequencies(p, atom->edges + q, tangent->motions + q, (const float*)g, (const float*)dg, frequencies);
  }
}

/* Adds the gradients of one structure. */
static void differentiate(const struct potential* p, const struct structure* s, const struct neighbors* list,
                          const struct cotangent* c, struct tangent_workspace* w, const struct gradients* out) {
  float rows[BLOCK][MAX_WIDTH], tangent_rows[BLOCK][MAX_WIDTH];
  vec terms[N_EMBEDDING][TERM_VECS], moving_terms[N_EMBEDDING][TERM_VECS], frequencies[N_RADIAL];
  vec *features[BLOCK], *moving[BLOCK];
  memset(frequencies, 0, sizeof frequencies);
  for (int i = 0; i < BLOCK; i++) features[i] = w->plain->atoms[i].features, moving[i] = w->atoms[i].features;
  for (int64_t first = 0; first < s->n_atoms; first += BLOCK) {
    int n = s->n_atoms - first < BLOCK ? s->n_atoms - first : BLOCK;
    for (int i = 0; i < n; i++) {
      struct atom* atom = w->plain->atoms + i;
      struct tangent_atom* tangent = w->atoms + i;
      const float* receiver = p->receiver + s->species[first + i] * MIXED_VECS * LANES;
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
      struct atom* atom = w->plain->atoms + i;
      struct tangent_atom* tangent = w->atoms + i;
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
