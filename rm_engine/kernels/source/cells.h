/* Three by three matrices, row by row; the rows of a cell are its vectors. */
#ifndef CELLS_H
#define CELLS_H

#include <math.h>
#include <stdint.h>

static double determinant(const double m[9]) {
  return m[0] * (m[4] * m[8] - m[5] * m[7]) - m[1] * (m[3] * m[8] - m[5] * m[6]) + m[2] * (m[3] * m[7] - m[4] * m[6]);
}

static void invert(const double m[9], double out[9]) {
  double scale = 1 / determinant(m);
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) {
      int a = (j + 1) % 3, b = (j + 2) % 3, c = (i + 1) % 3, d = (i + 2) % 3;
      out[3 * i + j] = (m[3 * a + c] * m[3 * b + d] - m[3 * a + d] * m[3 * b + c]) * scale;
    }
}

/* out = a b, or a b^T */
static void multiply(const double a[9], const double b[9], int transposed, double out[9]) {
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) {
      double total = 0;
      for (int k = 0; k < 3; k++) total += a[3 * i + k] * (transposed ? b[3 * j + k] : b[3 * k + j]);
      out[3 * i + j] = total;
    }
}

static double inner(const double* a, const double* b, int64_t n) {
  double total = 0;
  for (int64_t k = 0; k < n; k++) total += a[k] * b[k];
  return total;
}

/* Distances between opposite faces: the inverse's columns are normals of length 1/height. */
static void heights(const double cell[9], double out[3]) {
  double inverse[9];
  invert(cell, inverse);
  for (int axis = 0; axis < 3; axis++)
    out[axis] = 1 / sqrt(inverse[axis] * inverse[axis] + inverse[3 + axis] * inverse[3 + axis] +
                         inverse[6 + axis] * inverse[6 + axis]);
}

#endif
