/* Reduced bases of lattices, and their vectors; the rows of a cell are its vectors. */
#ifndef LATTICE_H
#define LATTICE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cells.h"

#define MOST_VECTORS 20000
#define LARGEST_STEP 1e4 /* at once, so that integers hold it */

struct lattice_vector {
  double vector[3], length;
  int index[3];
};

static const int IDENTITY[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};

/* Inverse of an integer matrix of determinant 1 or -1. */
static void invert_integers(const int m[9], int out[9]) {
  double real[9], inverse[9];
  for (int k = 0; k < 9; k++) real[k] = m[k];
  invert(real, inverse);
  for (int k = 0; k < 9; k++) out[k] = (int)nearbyint(inverse[k]);
}

/* out = f m, for n rows of fractional coordinates. */
static void transform(const double* f, const int m[9], int n, double* out) {
  for (int i = 0; i < 3 * n; i += 3) {
    double x = f[i], y = f[i + 1], z = f[i + 2];
    for (int k = 0; k < 3; k++) out[i + k] = x * m[k] + y * m[3 + k] + z * m[6 + k];
  }
}

/* Replace the basis by `by` times itself, in the cell and in its record of what was done to the first one. */
static void change_basis(const int by[9], double cell[9], int map[9]) {
  double old_cell[9];
  int old_map[9];
  memcpy(old_cell, cell, sizeof old_cell);
  memcpy(old_map, map, sizeof old_map);
  for (int i = 0; i < 9; i += 3)
    for (int j = 0; j < 3; j++) {
      cell[i + j] = by[i] * old_cell[j] + by[i + 1] * old_cell[3 + j] + by[i + 2] * old_cell[6 + j];
      map[i + j] = by[i] * old_map[j] + by[i + 1] * old_map[3 + j] + by[i + 2] * old_map[6 + j];
    }
}

static void add_multiple(int row, double factor, int other, double cell[9], int map[9]) {
  int by[9];
  memcpy(by, IDENTITY, sizeof by);
  by[3 * row + other] = (int)factor;
  change_basis(by, cell, map);
}

/* Reduction of Lenstra, Lenstra and Lovasz (DOI 10.1007/BF01457454) with delta = 3/4; cell = map times what it was. */
static void reduce_lll(double cell[9], int map[9]) {
  memcpy(map, IDENTITY, sizeof IDENTITY);
  for (int k = 1, guard = 0; k < 3 && guard < 1000; guard++) {
    double star[9], mu[9] = {0}, norm[3];
    for (int i = 0; i < 3; i++) {
      memcpy(star + 3 * i, cell + 3 * i, 3 * sizeof *cell);
      for (int j = 0; j < i; j++) {
        mu[3 * i + j] = inner(cell + 3 * i, star + 3 * j, 3) / norm[j];
        for (int l = 0; l < 3; l++) star[3 * i + l] -= mu[3 * i + j] * star[3 * j + l];
      }
      norm[i] = inner(star + 3 * i, star + 3 * i, 3);
    }
    for (int j = k - 1; j >= 0; j--) {
      double q = fmax(-LARGEST_STEP, fmin(LARGEST_STEP, nearbyint(mu[3 * k + j])));
      if (q == 0) continue;
      add_multiple(k, -q, j, cell, map);
      for (int l = 0; l < j; l++) mu[3 * k + l] -= q * mu[3 * j + l];
      mu[3 * k + j] -= q;
    }
    double overlap = mu[3 * k + k - 1];
    if (norm[k] >= (0.75 - overlap * overlap) * norm[k - 1]) {
      k++;
      continue;
    }
    const int swaps[2][9] = {{0, 1, 0, 1, 0, 0, 0, 0, 1}, {1, 0, 0, 0, 0, 1, 0, 1, 0}};
    change_basis(swaps[k - 1], cell, map);
    if (k > 1) k--;
  }
}

static int sign_of(double x, double e) { return x > e ? 1 : x < -e ? -1 : 0; }

/* Steps 3 and 4: all angles acute, or none. */
static void choose_signs(const double g[6], double e, double cell[9], int map[9]) {
  int s[3] = {sign_of(g[3], e), sign_of(g[4], e), sign_of(g[5], e)}, by[9] = {0}, free_axis = -1, product = 1;
  int wanted = s[0] * s[1] * s[2] == 1 ? -1 : 1; /* axes of this sign are turned round */
  for (int k = 0; k < 3; k++) {
    by[4 * k] = s[k] == wanted ? -1 : 1;
    product *= by[4 * k];
    if (s[k] == 0) free_axis = k;
  }
  if (product < 0 && free_axis >= 0) by[4 * free_axis] = -1;
  change_basis(by, cell, map);
}

/* The Niggli cell, right-handed, by the numerically stable algorithm of Grosse-Kunstleve, Sauter and Adams (DOI
   10.1107/S010876730302186X), whose steps are numbered; tolerance 1e-5 volume^(1/3). 0 where it does not end. */
static int reduce_niggli(double cell[9], int map[9]) {
  static const int swap_ab[9] = {0, -1, 0, -1, 0, 0, 0, 0, -1}, swap_bc[9] = {-1, 0, 0, 0, 0, -1, 0, -1, 0};
  static const int add_all[9] = {1, 0, 0, 0, 1, 0, 1, 1, 1}, turn[9] = {-1, 0, 0, 0, -1, 0, 0, 0, -1};
  const double e = 1e-5 * cbrt(fabs(determinant(cell)));
  reduce_lll(cell, map);
  for (int round = 0; round < 100; round++) {
    double g[6]; /* a a, b b, c c, 2 b c, 2 a c, 2 a b */
#define MEASURE                                                                  \
  for (int k = 0; k < 3; k++) {                                                  \
    g[k] = inner(cell + 3 * k, cell + 3 * k, 3);                                 \
    g[3 + k] = 2 * inner(cell + 3 * ((k + 1) % 3), cell + 3 * ((k + 2) % 3), 3); \
  }
    MEASURE
    if (g[0] > g[1] + e || (fabs(g[0] - g[1]) < e && fabs(g[3]) > fabs(g[4]) + e)) { /* 1 */
      change_basis(swap_ab, cell, map);
      MEASURE
    }
    if (g[1] > g[2] + e || (fabs(g[1] - g[2]) < e && fabs(g[4]) > fabs(g[5]) + e)) { /* 2 */
      change_basis(swap_bc, cell, map);
      continue;
    }
    choose_signs(g, e, cell, map);
    MEASURE
#undef MEASURE
    double a = g[0], b = g[1], bc = g[3], ac = g[4], ab = g[5];
    if (fabs(bc) > b + e || (fabs(bc - b) < e && 2 * ac < ab - e) || (fabs(bc + b) < e && ab < -e)) /* 5 */
      add_multiple(2, bc > 0 ? -1 : 1, 1, cell, map);
    else if (fabs(ac) > a + e || (fabs(ac - a) < e && 2 * bc < ab - e) || (fabs(ac + a) < e && ab < -e)) /* 6 */
      add_multiple(2, ac > 0 ? -1 : 1, 0, cell, map);
    else if (fabs(ab) > a + e || (fabs(ab - a) < e && 2 * bc < ac - e) || (fabs(ab + a) < e && ac < -e)) /* 7 */
      add_multiple(1, ab > 0 ? -1 : 1, 0, cell, map);
    else if (bc + ac + ab + a + b < -e || (fabs(bc + ac + ab + a + b) < e && 2 * (a + ac) + ab > e)) /* 8 */
      change_basis(add_all, cell, map);
    else {
      if (determinant(cell) < 0) change_basis(turn, cell, map);
      return 1;
    }
  }
  return 0;
}

static int compare_lengths(const void* a, const void* b) {
  double x = ((const struct lattice_vector*)a)->length, y = ((const struct lattice_vector*)b)->length;
  return (x > y) - (x < y);
}

/* All vectors of a lattice up to a length but the zero vector, shortest first, into room for MOST_VECTORS; their
   number, or -1 where they are more. */
static int list_vectors(const double cell[9], double radius, struct lattice_vector* out) {
  double height[3];
  int most[3], count = 0;
  heights(cell, height);
  for (int k = 0; k < 3; k++) {
    if (!(radius / height[k] < MOST_VECTORS)) return -1;
    most[k] = (int)(radius / height[k] + 1e-8);
  }
  for (int i = -most[0]; i <= most[0]; i++)
    for (int j = -most[1]; j <= most[1]; j++)
      for (int k = -most[2]; k <= most[2]; k++) {
        double v[3];
        for (int l = 0; l < 3; l++) v[l] = i * cell[l] + j * cell[3 + l] + k * cell[6 + l];
        double length = sqrt(inner(v, v, 3));
        if (length > radius || (i == 0 && j == 0 && k == 0)) continue;
        if (count == MOST_VECTORS) return -1;
        out[count++] = (struct lattice_vector){{v[0], v[1], v[2]}, length, {i, j, k}};
      }
  qsort(out, count, sizeof *out, compare_lengths);
  return count;
}

#endif
