/* Forces that keep the symmetry of a crystal: the mean of what its operations make of them. */
#ifndef SYMMETRY_H
#define SYMMETRY_H

#include <string.h>

#include "cells.h"

/* Operations that map the crystal onto itself; none where no symmetry is kept. */
struct symmetry {
  int64_t n_operations;
  const double* rotations; /* (n_operations, 3, 3) Cartesian */
  const int32_t* images;   /* (n_operations, n_atoms) the atom onto an image of which each is brought */
};

/* `spare` has room for as many numbers as `forces`. */
static void symmetrize(const struct symmetry* s, int64_t n_atoms, double* forces, double on_cell[9], double* spare) {
  double half[9], turned[9], cell[9] = {0};
  memset(spare, 0, 3 * n_atoms * sizeof(double));
  for (int64_t k = 0; k < s->n_operations; k++) {
    const double* r = s->rotations + 9 * k;
    for (int64_t i = 0; i < n_atoms; i++) {
      const double* from = forces + 3 * i;
      double* to = spare + 3 * s->images[k * n_atoms + i];
      for (int axis = 0; axis < 3; axis++) to[axis] += inner(r + 3 * axis, from, 3);
    }
    multiply(r, on_cell, 0, half);
    multiply(half, r, 1, turned);
    for (int j = 0; j < 9; j++) cell[j] += turned[j];
  }
  for (int64_t j = 0; j < 3 * n_atoms; j++) forces[j] = spare[j] / s->n_operations;
  for (int j = 0; j < 9; j++) on_cell[j] = cell[j] / s->n_operations;
}

#endif
