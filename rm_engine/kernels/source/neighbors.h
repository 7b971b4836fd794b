/* Neighbours of one structure. */
#ifndef NEIGHBORS_H
#define NEIGHBORS_H

#include <stdlib.h>

#include "cells.h"

#define MAX_CANDIDATES 2e7

/* Neighbours of atom i within reach; their number, of which at most `width` are written. Along an axis only those
 * images come into question whose distance from the atom's plane is within reach. */
static int64_t find_neighbors(const double* fractional, int64_t n_atoms, const double* cell, const uint8_t periodic[3],
                              const double height[3], double reach, int64_t i, int64_t width, int64_t* index,
                              float* image) {
  int64_t count = 0;
  for (int64_t j = 0; j < n_atoms; j++) {
    double apart[3];
    int from[3], to[3];
    for (int axis = 0; axis < 3; axis++) {
      apart[axis] = fractional[3 * j + axis] - fractional[3 * i + axis];
      double span = reach / height[axis];
      from[axis] = periodic[axis] ? (int)ceil(-span - apart[axis]) : 0;
      to[axis] = periodic[axis] ? (int)floor(span - apart[axis]) : 0;
    }
    for (int a = from[0]; a <= to[0]; a++)
      for (int b = from[1]; b <= to[1]; b++)
        for (int c = from[2]; c <= to[2]; c++) {
          double u = apart[0] + a, v = apart[1] + b, w = apart[2] + c;
          double x = u * cell[0] + v * cell[3] + w * cell[6];
          double y = u * cell[1] + v * cell[4] + w * cell[7];
          double z = u * cell[2] + v * cell[5] + w * cell[8];
          double distance2 = x * x + y * y + z * z;
          if (distance2 >= reach * reach || distance2 <= 1e-8) continue; /* an atom is no neighbour of itself */
          if (count < width) {
            index[count] = j;
            image[3 * count] = a, image[3 * count + 1] = b, image[3 * count + 2] = c;
          }
          count++;
        }
  }
  return count;
}

/* Neighbours of all atoms of a structure, in rows of `width`; the most that any atom has, or -1 where they are too many
 * to look at. `fractional` is scratch, (n_atoms, 3). */
static int64_t find_all_neighbors(const double* positions, int64_t n_atoms, const double cell[9],
                                  const uint8_t periodic[3], double reach, double* fractional, int64_t width,
                                  int64_t* index, float* image, int64_t* counts) {
  double inverse[9], height[3], candidates = (double)n_atoms * n_atoms;
  int64_t most = 0;
  invert(cell, inverse);
  heights(cell, height);
  for (int axis = 0; axis < 3; axis++) candidates *= periodic[axis] ? 2 * reach / height[axis] + 1 : 1;
  if (!(candidates < MAX_CANDIDATES)) return -1;
  for (int64_t i = 0; i < n_atoms; i++)
    for (int axis = 0; axis < 3; axis++)
      fractional[3 * i + axis] = positions[3 * i] * inverse[axis] + positions[3 * i + 1] * inverse[3 + axis] +
                                 positions[3 * i + 2] * inverse[6 + axis];
  for (int64_t i = 0; i < n_atoms; i++) {
    counts[i] = find_neighbors(fractional, n_atoms, cell, periodic, height, reach, i, width, index + i * width,
                               image + 3 * i * width);
    if (counts[i] > most) most = counts[i];
  }
  return most;
}

#endif
