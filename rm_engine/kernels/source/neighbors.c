/* Neighbour lists as Python calls for them. */
#include "neighbors.h"

/* Neighbours of a batch in rows of `width`, indices within the batch, padding the atom itself; the most that any atom
 * has, of which those beyond `width` are left out, or -1 - k where structure k has too many, or a negative number below
 * that without memory. */
int64_t find_batch_neighbors(int64_t n_structures, const int64_t* sizes, const double* positions, const double* cells,
                             const uint8_t* periodic, double reach, int64_t width, int64_t* index, float* image,
                             int64_t* counts) {
  int64_t most = 0, largest = 0;
  for (int64_t k = 0; k < n_structures; k++)
    if (sizes[k] > largest) largest = sizes[k];
  double* fractional = malloc((3 * largest + 1) * sizeof(double));
  if (!fractional) return INT64_MIN;
  for (int64_t k = 0, first = 0; k < n_structures && most >= 0; first += sizes[k++]) {
    int64_t found =
        find_all_neighbors(positions + 3 * first, sizes[k], cells + 9 * k, periodic + 3 * k, reach, fractional, width,
                           index + first * width, image + 3 * first * width, counts + first);
    if (found > most) most = found;
    if (found < 0) most = -1 - k;
    for (int64_t i = first; i < first + sizes[k] && most >= 0; i++)
      for (int64_t n = 0; n < width; n++) {
        if (n < counts[i]) index[i * width + n] += first;
        else index[i * width + n] = i;
      }
  }
  free(fractional);
  return most;
}
