/* L-BFGS without line search: the step that rm_engine.relax.lbfgs makes, for one structure. */
#ifndef LBFGS_H
#define LBFGS_H

#include <string.h>

#include "cells.h"

#define LEAST_CURVATURE 0.05

/* Rows of n numbers each: the last coordinates and forces, then n_pairs moves, the last one first, then n_pairs
 * responses to them. */
static void remember(double* history, int64_t n_pairs, int64_t n, int has_moved, const double* at,
                     const double* forces) {
  double *moves = history + 2 * n, *responses = moves + n_pairs * n;
  memmove(moves + n, moves, (n_pairs - 1) * n * sizeof(double));
  memmove(responses + n, responses, (n_pairs - 1) * n * sizeof(double));
  for (int64_t k = 0; k < n; k++) {
    moves[k] = has_moved ? at[k] - history[k] : 0;
    responses[k] = has_moved ? history[n + k] - forces[k] : 0;
    history[k] = at[k];
    history[n + k] = forces[k];
  }
}

/* The two loops, which make a step of the forces in `step`. */
static void find_direction(const double* history, int64_t n_pairs, int64_t n, double* step) {
  const double *moves = history + 2 * n, *responses = moves + n_pairs * n;
  double taken[n_pairs], inverses[n_pairs], softness = 1;
  for (int64_t k = n_pairs - 1; k >= 0; k--) {
    const double *s = moves + k * n, *y = responses + k * n;
    double curvature = inner(s, y, n);
    inverses[k] = curvature > LEAST_CURVATURE * inner(s, s, n) ? 1 / curvature : 0;
    if (inverses[k] > 0) softness = curvature / inner(y, y, n);
  }
  for (int64_t k = 0; k < n_pairs; k++) {
    taken[k] = inverses[k] * inner(moves + k * n, step, n);
    for (int64_t j = 0; j < n; j++) step[j] -= taken[k] * responses[k * n + j];
  }
  for (int64_t j = 0; j < n; j++) step[j] *= softness;
  for (int64_t k = n_pairs - 1; k >= 0; k--) {
    double rest = taken[k] - inverses[k] * inner(responses + k * n, step, n);
    for (int64_t j = 0; j < n; j++) step[j] += rest * moves[k * n + j];
  }
}

#endif
