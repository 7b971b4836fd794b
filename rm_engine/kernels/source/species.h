/* The elements of a crystal whose atoms are grouped by element. */
#ifndef SPECIES_H
#define SPECIES_H

#include <math.h>
#include <stdint.h>

struct species {
  int n, n_blocks;
  const int32_t* blocks; /* first atom of each element, then n */
};

/* Whether every atom of f2, shifted, has one of its element in f1 near. */
static int all_are_near(const struct species* species, const double* f1, const double* f2, const double shift[3],
                        const double near[3]) {
  const int32_t* blocks = species->blocks;
  for (int b = 0; b < species->n_blocks; b++)
    for (int i = blocks[b]; i < blocks[b + 1]; i++) {
      int found = 0;
      for (int j = blocks[b]; j < blocks[b + 1] && !found; j++) {
        found = 1;
        for (int k = 0; k < 3; k++) {
          double d = f2[3 * i + k] + shift[k] - f1[3 * j + k];
          found &= fabs(d - nearbyint(d)) <= near[k];
        }
      }
      if (!found) return 0;
    }
  return 1;
}

#endif
