/* A neighbour list with a skin, so that it need not be built at every step. */
#ifndef SKIN_H
#define SKIN_H

#include "neighbors.h"
#include "potential.h"

struct skinned {
  struct neighbors list;
  int64_t *index, *counts;
  float* image;
  double *fractional, *built_positions;
  double built_cell[9];
  int64_t n_atoms;
};

enum { BUILT, OUT_OF_MEMORY, TOO_MANY };

static int widen(struct skinned* n, int64_t width) {
  free(n->index);
  free(n->image);
  n->index = malloc(n->n_atoms * width * sizeof(int64_t));
  n->image = malloc(n->n_atoms * width * 3 * sizeof(float));
  n->list = (struct neighbors){width, n->index, n->image, n->counts, 0};
  return n->index && n->image;
}

static int new_list(struct skinned* n, int64_t n_atoms) {
  memset(n, 0, sizeof *n);
  n->n_atoms = n_atoms;
  n->counts = malloc(n_atoms * sizeof(int64_t));
  n->fractional = malloc(3 * n_atoms * sizeof(double));
  n->built_positions = malloc(3 * n_atoms * sizeof(double));
  return n->counts && n->fractional && n->built_positions && widen(n, 64);
}

static void free_list(struct skinned* n) {
  free(n->index), free(n->counts), free(n->image), free(n->fractional), free(n->built_positions);
}

static int build_list(struct skinned* n, const double* positions, const double cell[9], const uint8_t periodic[3],
                      double reach) {
  for (;;) {
    int64_t most = find_all_neighbors(positions, n->n_atoms, cell, periodic, reach, n->fractional, n->list.width,
                                      n->index, n->image, n->counts);
    if (most < 0) return TOO_MANY;
    if (most <= n->list.width) break;
    if (!widen(n, most + most / 4)) return OUT_OF_MEMORY;
  }
  memcpy(n->built_positions, positions, 3 * n->n_atoms * sizeof(double));
  memcpy(n->built_cell, cell, sizeof n->built_cell);
  return BUILT;
}

/* Whether a pair that is not in the list may have come within the cutoff; see SkinnedNeighbors.is_stale. */
static int is_stale(const struct skinned* n, const double* positions, const double cell[9], double cutoff,
                    double skin) {
  double inverse[9], change[9], distortion = 0, largest = 0;
  invert(n->built_cell, inverse);
  multiply(inverse, cell, 0, change);
  for (int k = 0; k < 9; k++) distortion += (change[k] - (k % 4 == 0)) * (change[k] - (k % 4 == 0));
  for (int64_t i = 0; i < n->n_atoms; i++) {
    const double *now = positions + 3 * i, *then = n->built_positions + 3 * i;
    double moved = 0;
    for (int axis = 0; axis < 3; axis++) {
      double carried = then[0] * change[axis] + then[1] * change[3 + axis] + then[2] * change[6 + axis];
      moved += (now[axis] - carried) * (now[axis] - carried);
    }
    if (!(moved <= largest)) largest = moved;
  }
  return !((1 - sqrt(distortion)) * (cutoff + skin) - 2 * sqrt(largest) >= cutoff);
}

#endif
