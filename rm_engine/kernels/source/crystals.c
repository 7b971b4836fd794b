/* What Python calls to compare crystals. */
#include "mapping.h"
#include "primitive.h"

static double longest_vector(const double cell[9]) {
  double longest = 0;
  for (int k = 0; k < 9; k += 3) longest = fmax(longest, inner(cell + k, cell + k, 3));
  return sqrt(longest);
}

/* How far a structure is from each of many references, in units of (volume per atom)^(1/3): the least root mean square
   displacement of any mapping; or where `largest`, the largest displacement of the first mapping for which it is below
   `site`; INFINITY where none is below `site`, and where one cell is so flat that more than MOST_VECTORS of its vectors
   are no longer than those of the other.

   Crystals are arrays (3 + n, 3): the cell, then fractional coordinates. blocks: first atom of each element, then n.
   origins: the atom of each reference that is laid on the structure's, of an element with the fewest atoms. 0, or -1
   without memory. */
int match_crystals(int n, int n_blocks, const int32_t* blocks, const double* crystal, int n_references,
                   const double* const* references, const int32_t* origins, double length, double site, double angle,
                   int largest, double* answers) {
  struct search s = {.species = {n, n_blocks, blocks}, .tolerances = {length, site, angle, largest}};
  struct lattice_vector* vectors = malloc(MOST_VECTORS * sizeof *vectors);
  void* memory = allocate(&s, n);
  double reach = 0;
  int n_vectors = -1, status = vectors && memory ? 0 : -1;
  for (int r = 0; r < n_references; r++) {
    double longest = longest_vector(references[r]);
    if (isfinite(longest)) reach = fmax(reach, longest);
  }
  reach *= (1 + length) * (1 + 1e-12);
  while (status == 0 && n_vectors < 0 && reach > EXACT)
    if ((n_vectors = list_vectors(crystal, reach, vectors)) < 0) reach *= 0.8;
  for (int r = 0; r < n_references && status == 0; r++) {
    s.f2 = references[r] + 9, s.origin = origins[r], s.best = INFINITY;
    if (longest_vector(references[r]) * (1 + length) <= reach)
      try_bases(&s, vectors, n_vectors, crystal + 9, references[r]);
    answers[r] = s.best < site ? s.best : INFINITY;
  }
  free(memory);
  free(vectors);
  return status;
}

static int find_niggli_cell(int n, double* crystal) {
  int map[9], inverse[9];
  if (!(fabs(determinant(crystal)) > 0) || !reduce_niggli(crystal, map)) return 0;
  invert_integers(map, inverse);
  transform(crystal + 9, inverse, n, crystal + 9);
  for (int i = 9; i < 9 + 3 * n; i++) crystal[i] -= floor(crystal[i]);
  return 1;
}

/* Bring a crystal (3 + n, 3), the cell in Å and fractional coordinates, to its primitive Niggli cell. Returns how many
   times fewer atoms are left, which are the first rows then, and none where the cell cannot be reduced; -1 without
   memory. */
int reduce_crystal(int n, int n_blocks, const int32_t* blocks, double tolerance, double* crystal) {
  int total = 1;
  if (!find_niggli_cell(n, crystal)) return 0;
  int32_t* starts = malloc((n_blocks + 1) * sizeof *starts);
  for (int size = 2; size > 1; total *= size) {
    for (int b = 0; starts && b <= n_blocks; b++) starts[b] = blocks[b] / total;
    struct species species = {n / total, n_blocks, starts};
    size = starts ? find_smaller(&species, tolerance, crystal) : -1;
    if (size < 0) total = -1, size = 1;
  }
  free(starts);
  if (total > 1 && !find_niggli_cell(n / total, crystal)) return 0;
  return total;
}
