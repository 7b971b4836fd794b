/* The gradient by the weights as Python calls for it. */
#include "gradients.h"

/* Adds to `out` the gradient of a loss by the weights, from those by energies (n_structures), forces (n_atoms, 3) and
 * virials (n_structures, 3, 3); 0, or -1 without memory. */
int differentiate_batch(const struct potential* p, int64_t n_structures, const int64_t* sizes, const int32_t* species,
                        const double* positions, const double* cells, int64_t width, const int64_t* index,
                        const float* image, const int64_t* counts, const double* energies, const double* forces,
                        const double* virials, const struct gradients* out) {
  struct tangent_workspace* w = new_tangent_workspace(width, MAX_SPECIES);
  for (int64_t k = 0, first = 0; w && k < n_structures; first += sizes[k++]) {
    struct structure s = {sizes[k], species + first, positions + 3 * first, cells + 9 * k};
    struct neighbors list = {width, index + first * width, image + 3 * first * width, counts + first, first};
    struct cotangent c = {.energy = energies[k], .forces = forces + 3 * first};
    for (int i = 0; i < 3; i++)
      for (int j = 0; j < 3; j++) c.virial[3 * i + j] = (virials[9 * k + 3 * i + j] + virials[9 * k + 3 * j + i]) / 2;
    differentiate(p, &s, &list, &c, w, out);
  }
  free_tangent_workspace(w);
  return w ? 0 : -1;
}
