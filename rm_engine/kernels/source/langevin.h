/* Langevin dynamics that cools down: the step that rm_engine.relax.langevin makes, for one structure. */
#ifndef LANGEVIN_H
#define LANGEVIN_H

#include <math.h>
#include <stdint.h>

#include "cells.h"

struct dynamics {
  double temperature, time_step, friction, largest_move;
};

static uint64_t scramble(uint64_t z) {
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

/* rm_engine.relax.noise */
static double draw_normal(uint64_t key, uint64_t counter) {
  double uniform[2];
  for (int k = 0; k < 2; k++)
    uniform[k] = ((scramble(key + 0x9e3779b97f4a7c15u * (2 * counter + k + 1)) >> 11) + 0.5) * 0x1p-53;
  return sqrt(-2 * log(uniform[0])) * cos(2 * M_PI * uniform[1]);
}

/* Rows of three numbers; what they move is scaled, and `counter` is that of the first. */
static void langevin_rows(const struct dynamics* d, double kick, uint64_t key, uint64_t counter, int64_t n_rows,
                          double scale, const double* forces, double* velocities, double* coordinates) {
  double kept = exp(-d->friction * d->time_step), spread = sqrt((1 - kept * kept) * d->temperature);
  for (int64_t i = 0; i < 3 * n_rows; i += 3) {
    const double* f = forces + i;
    double* v = velocities + i;
    int is_free = f[0] != 0 || f[1] != 0 || f[2] != 0;
    for (int axis = 0; axis < 3; axis++) v[axis] += kick * f[axis];
    double slower = fmin(d->largest_move / (d->time_step * sqrt(inner(v, v, 3))), 1);
    for (int axis = 0; axis < 3; axis++) {
      double before = slower * v[axis];
      v[axis] = kept * before + (is_free ? spread * draw_normal(key, counter + i + axis) : 0);
      coordinates[i + axis] += scale * d->time_step / 2 * (before + v[axis]);
    }
  }
}

#endif
