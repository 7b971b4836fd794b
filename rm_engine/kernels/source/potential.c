/* The potential and the relaxation as Python calls them. */
#include "relaxation.h"

/* Energies (n_structures), forces (n_atoms, 3) or NULL and virials (n_structures, 3, 3) of a batch; 0, or -1 without
 * memory. */
int evaluate_batch(const struct potential* p, int64_t n_structures, const int64_t* sizes, const int32_t* species,
                   const double* positions, const double* cells, int64_t width, const int64_t* index,
                   const float* image, const int64_t* counts, double* energies, double* forces, double* virials) {
  struct workspace* w = new_workspace();
  int fine = w && reserve(w, width, MAX_SPECIES);
  for (int64_t k = 0, first = 0; fine && k < n_structures; first += sizes[k++]) {
    struct structure s = {sizes[k], species + first, positions + 3 * first, cells + 9 * k};
    struct neighbors list = {width, index + first * width, image + 3 * first * width, counts + first, first};
    struct answer answer = {.forces = forces ? forces + 3 * first : NULL};
    evaluate(p, &s, &list, w, &answer);
    energies[k] = answer.energy;
    if (forces) memcpy(virials + 9 * k, answer.virial, sizeof answer.virial);
  }
  free_workspace(w);
  return fine ? 0 : -1;
}

/* Up to n_steps of a relaxation; how it stands then. */
int relax(const struct potential* p, const struct relaxation_config* config, struct relaxation* r, int64_t n_steps) {
  struct workspace* w = new_workspace();
  struct skinned near;
  double* rows = malloc(9 * r->n_atoms * sizeof(double)); /* positions, forces and room to make them symmetric */
  int fine = new_list(&near, r->n_atoms) && w && rows;
  double *forces = rows + 3 * r->n_atoms, *spare = rows + 6 * r->n_atoms;
  int status = fine ? run_steps(p, config, r, n_steps, w, &near, rows, forces, spare) : NO_MEMORY;
  free(rows);
  free_list(&near);
  free_workspace(w);
  return status;
}
