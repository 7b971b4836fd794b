/* The primitive cell of a crystal whose atoms only nearly repeat one another, as pymatgen finds it
   (Structure.get_primitive_structure): atoms are the same that lie within a tolerance (Å) in each coordinate.

   A crystal is an array (3 + n, 3), the cell above fractional coordinates. */
#ifndef PRIMITIVE_H
#define PRIMITIVE_H

#include <stdlib.h>
#include <string.h>

#include "lattice.h"
#include "species.h"

struct repeats {
  const struct species* species;
  const double* crystal;
  double tolerance, near[3]; /* Å; the same in fractional coordinates */
  double* shifts;            /* (n_shifts, 3) translations that lay every atom about on one of its element */
  int n_shifts;
  double* fractions; /* (n, 3) in the smaller cell */
  char* same;        /* (n, n) whether atoms of an element fall on one another there */
};

static double wrapped(double x) { return fabs(x - nearbyint(x)); }

static int is_within(const double* a, const double* b, const double near[3], double factor) {
  for (int k = 0; k < 3; k++)
    if (!(wrapped(a[k] - b[k]) < factor * near[k])) return 0;
  return 1;
}

static void find_nearness_of(const double cell[9], double tolerance, double near[3]) {
  for (int k = 0; k < 3; k++) near[k] = tolerance / sqrt(inner(cell + 3 * k, cell + 3 * k, 3));
}

static int count_formula_units(const struct species* species) {
  int units = 0;
  for (int b = 0; b < species->n_blocks; b++)
    for (int rest = species->blocks[b + 1] - species->blocks[b]; rest;) {
      int remainder = units % rest;
      units = rest, rest = remainder;
    }
  return units;
}

/* Differences between atoms of the rarest element that are translations of all atoms, to twice the tolerance. */
static void find_shifts(struct repeats* r) {
  const int32_t* blocks = r->species->blocks;
  const double* f = r->crystal + 9;
  int rarest = 0;
  for (int b = 1; b < r->species->n_blocks; b++)
    if (blocks[b + 1] - blocks[b] < blocks[rarest + 1] - blocks[rarest]) rarest = b;
  double near[3] = {2 * r->near[0], 2 * r->near[1], 2 * r->near[2]};
  r->n_shifts = 0;
  for (int i = blocks[rarest]; i < blocks[rarest + 1]; i++) {
    double* shift = r->shifts + 3 * r->n_shifts;
    for (int k = 0; k < 3; k++) shift[k] = f[3 * i + k] - f[3 * blocks[rarest] + k];
    r->n_shifts += all_are_near(r->species, f, f, shift, near);
  }
}

/* Whether the rows of the inverse of a supercell matrix, which span the smaller cell, are translations. */
static int is_spanned(const struct repeats* r, const double inverse[9]) {
  for (int row = 0; row < 9; row += 3) {
    int found = 0;
    for (int s = 0; s < r->n_shifts && !found; s++) found = is_within(inverse + row, r->shifts + 3 * s, r->near, 1);
    if (!found) return 0;
  }
  return 1;
}

/* Whether the atoms of an element fall together in groups of `size`, each member on all others. */
static int is_grouped(struct repeats* r, int first, int stop, int size, const double near[3]) {
  const double* old = r->crystal + 9;
  int n = r->species->n;
  for (int i = first; i < stop; i++) {
    int count = 0;
    for (int j = first; j < stop; j++) {
      int is_neighbor = i != j && is_within(old + 3 * i, old + 3 * j, r->near, 2 + 1e-12);
      char same = !is_neighbor && is_within(r->fractions + 3 * i, r->fractions + 3 * j, near, 1);
      r->same[(size_t)i * n + j] = same;
      count += same;
    }
    if (count != size) return 0;
  }
  for (int i = first; i < stop; i++)
    for (int j = first; j < stop; j++)
      for (int k = first; k < stop && r->same[(size_t)i * n + j]; k++)
        if (r->same[(size_t)i * n + k] && !r->same[(size_t)j * n + k]) return 0;
  return 1;
}

/* One atom for each group of an element, at the mean position; returns where the next one goes. */
static double* merge(struct repeats* r, int first, int stop, double* out) {
  int n = r->species->n;
  for (int i = first; i < stop; i++) {
    int count = 0, is_first = 1;
    double mean[3];
    for (int j = first; j < stop && is_first; j++) {
      if (!r->same[(size_t)i * n + j]) continue;
      is_first = j >= i;
      const double* f = r->fractions + 3 * j;
      for (int k = 0; k < 3; k++)
        mean[k] = count ? mean[k] + (f[k] - mean[k] - nearbyint(f[k] - mean[k])) / (count + 1) : f[k];
      count++;
    }
    if (!is_first) continue;
    memcpy(out, mean, sizeof mean);
    out += 3;
  }
  return out;
}

/* Divide the cell by a supercell matrix; 0 where the atoms do not allow it, or the crystal of the smaller cell in
 * `out`. */
static int divide(struct repeats* r, const double supercell[9], const double inverse[9], int size, double* out) {
  double near[3];
  const int32_t* blocks = r->species->blocks;
  multiply(inverse, r->crystal, 0, out);
  find_nearness_of(out, r->tolerance, near);
  for (int i = 0; i < r->species->n; i++)
    for (int k = 0; k < 3; k++) {
      double f = 0;
      for (int l = 0; l < 3; l++) f += r->crystal[9 + 3 * i + l] * supercell[3 * l + k];
      r->fractions[3 * i + k] = f - floor(f);
    }
  for (int b = 0; b < r->species->n_blocks; b++)
    if (!is_grouped(r, blocks[b], blocks[b + 1], size, near)) return 0;
  double* next = out + 9;
  for (int b = 0; b < r->species->n_blocks; b++) next = merge(r, blocks[b], blocks[b + 1], next);
  return 1;
}

/* The first smaller cell among all sublattices of index `size`, in Hermite normal form. */
static int divide_by(struct repeats* r, int size, double* out) {
  for (int a = 1; a <= size; a++)
    for (int e = 1; size % a == 0 && e <= size / a; e++) {
      if (size / a % e) continue;
      for (int bcf = 0; bcf < a * a * e; bcf++) {
        double m[9] = {a, bcf / (a * e), bcf / e % a, 0, e, bcf % e, 0, 0, size / a / e}, inverse[9];
        invert(m, inverse);
        if (is_spanned(r, inverse) && divide(r, m, inverse, size, out)) return 1;
      }
    }
  return 0;
}

/* How many times smaller a cell is found, 1 where the crystal stays as it is; -1 without memory. */
static int find_smaller(const struct species* species, double tolerance, double* crystal) {
  int n = species->n, units = count_formula_units(species), size = 1;
  if (units == 1) return 1;
  struct repeats r = {.species = species, .crystal = crystal, .tolerance = tolerance};
  double* memory = malloc((9 * (size_t)n + 9) * sizeof(double) + (size_t)n * n);
  if (!memory) return -1;
  double* out = memory + 6 * n;
  r.shifts = memory, r.fractions = memory + 3 * n, r.same = (char*)(out + 9 + 3 * n);
  find_nearness_of(crystal, tolerance, r.near);
  find_shifts(&r);
  for (int d = 2; d <= units && size == 1; d++)
    if (units % d == 0 && divide_by(&r, d, out)) size = d;
  if (size > 1) memcpy(crystal, out, (9 + 3 * (size_t)(n / size)) * sizeof *out);
  free(memory);
  return size;
}

#endif
