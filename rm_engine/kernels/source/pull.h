/* What pulls a structure towards a property: another potential, of the same kernel or another (pull.py). */
#ifndef PULL_H
#define PULL_H

#include "potential.h"

typedef int evaluate_function(const void* potential, int64_t n_structures, const int64_t* sizes, const int32_t* species,
                              const double* positions, const double* cells, int64_t width, const int64_t* index,
                              const float* image, const int64_t* counts, double* energies, double* forces,
                              double* virials);

struct pull {
  evaluate_function* evaluate; /* evaluate_batch of its own kernel */
  const void* potential;
  const int32_t* species; /* (n_atoms) rows of its embeddings */
  double lowest, highest, stiffness, reach;
};

/* Forces and virial of a penalty on the mean over the atoms; the energy in `answer` stays that of the surface. `spare`
 * has room for forces. False when there is no memory. */
static int add_pull(const struct pull* pull, const struct structure* s, const struct neighbors* list,
                    struct answer* answer, double* spare) {
  double sum, virial[9];
  if (pull->evaluate(pull->potential, 1, &s->n_atoms, pull->species, s->positions, s->cell, list->width, list->index,
                     list->image, list->counts, &sum, spare, virial))
    return 0;
  double mean = sum / s->n_atoms, distance = mean - fmin(fmax(mean, pull->lowest), pull->highest);
  double strength = pull->stiffness * fmin(fmax(distance, -pull->reach), pull->reach);
  for (int64_t k = 0; k < 3 * s->n_atoms; k++) answer->forces[k] += strength * spare[k];
  for (int k = 0; k < 9; k++) answer->virial[k] += strength * virial[k];
  return 1;
}

#endif
