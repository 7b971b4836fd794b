/* Constants of a configuration, weights, structures, and what is kept of an atom on the way to its energy and back. */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <stdlib.h>
#include <string.h>

#include "vector.h"

#define N_MONOMIALS (L_MAX == 3 ? 20 : 10)
#define N_TERMS (N_RADIAL * N_MONOMIALS)       /* radial functions times monomials */
#define VECS(n) (((n) + 15) / 16 * 16 / LANES) /* for n floats, padded to sixteen on every machine */
#define TERM_VECS VECS(N_TERMS)
#define MONOMIAL_VECS ((N_MONOMIALS + LANES - 1) / LANES)
#define N_MIXED (N_CHANNELS * N_EMBEDDING) /* (k, b) of one sender embedding a */
#define MIXED_VECS VECS(N_MIXED)
#define N_INVARIANTS (1 + L_MAX + (NU_MAX == 3 ? 4 : 0))
#define FEATURE_VECS (N_EMBEDDING * N_INVARIANTS * MIXED_VECS) /* (a, invariant, (k, b)) */
#define BLOCK 4                                                /* atoms that go through the readout together */
#define ROWS (LANES == 8 ? 2 : 4)                              /* of weights at once: AVX has half the registers */
#define MAX_WIDTH 256
#define MAX_SPECIES 128

static const int widths[N_LAYERS] = {WIDTHS};
#define FIRST_ROWS ((widths[0] + 1) / 4 * 4 + 4) /* the linear map is one more row, and one at least is spare */

/* Weights in the order the loops read them; made by packing.py. */
struct potential {
  float cutoff, contact, strength;
  const float* frequencies; /* (n_radial) */
  const float* sender;      /* (n_species, n_embedding) */
  const float* receiver;    /* (n_species, mixed) embedding of b in every (k, b), 0 where padded */
  const float* mixing;      /* (L_MAX + 1, n_embedding, n_radial, mixed) */
  const float* first;       /* (first rows, features) hidden layer, the linear map, zeros */
  const float* first_bias;  /* (first rows) */
  const float* later;       /* for every later layer: weights (width, width before), then biases */
  const float* radii;       /* (n_species) covalent radii, Angstrom */
};

/* One structure. */
struct structure {
  int64_t n_atoms;
  const int32_t* species; /* (n_atoms) rows of the embeddings */
  const double *positions, *cell;
};

/* Neighbours in rows of equal width; index relative to the structure's first atom, offsets in cell vectors. */
struct neighbors {
  int64_t width;
  const int64_t* index;  /* (n_atoms, width) */
  const float* image;    /* (n_atoms, width, 3) */
  const int64_t* counts; /* (n_atoms) */
  int64_t base;          /* subtracted from every index */
};

/* Neighbours of one element, one in each lane; lanes from count on are padding, beyond the cutoff. */
struct edges {
  vec x, y, z, distance, inverse; /* direction, r and 1/r */
  vec radial[N_RADIAL], slope[N_RADIAL];
  int32_t neighbor[LANES];
  int32_t species, count;
};

/* What one atom keeps between the way to its energy and back. */
struct atom {
  struct edges* edges;
  int n_edges;
  float core;
  vec mixed[N_EMBEDDING][N_MONOMIALS][MIXED_VECS];
  vec features[FEATURE_VECS]; /* then their gradients */
};

struct workspace {
  struct atom atoms[BLOCK];
  int64_t width; /* neighbours there is room for */
  float* found;  /* 5 rows of width: vector, squared distance, element */
  int32_t* found_index;
};

static const int multiplicity[20] = {1, 1, 1, 1, 1, 2, 2, 1, 2, 1, 1, 3, 3, 3, 6, 3, 1, 3, 3, 1};
static const int degree_of[20] = {0, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3};
/* Where a component of the full tensor stands among the monomials of its degree. */
static const int matrix_at[3][3] = {{0, 1, 2}, {1, 3, 4}, {2, 4, 5}};
static const int rank3_at[3][3][3] = {
    {{0, 1, 2}, {1, 3, 4}, {2, 4, 5}}, {{1, 3, 4}, {3, 6, 7}, {4, 7, 8}}, {{2, 4, 5}, {4, 7, 8}, {5, 8, 9}}};

/* Memory that begins at a whole vector, or NULL. */
static void* allocate(size_t size) { return aligned_alloc(64, (size + 63) / 64 * 64); }

/* Room for rows of `width` neighbours, each element's rounded up to whole vectors; false when there is no memory. */
static int reserve(struct workspace* w, int64_t width, int64_t n_species) {
  int64_t n_edges = width / LANES + n_species + 1;
  if (width <= w->width && w->found) return 1;
  free(w->found);
  free(w->found_index);
  w->found = malloc(5 * width * sizeof(float));
  w->found_index = malloc(width * sizeof(int32_t));
  int fine = w->found && w->found_index;
  for (int i = 0; i < BLOCK; i++) {
    free(w->atoms[i].edges);
    w->atoms[i].edges = allocate(n_edges * sizeof(struct edges));
    fine = fine && w->atoms[i].edges;
  }
  w->width = width;
  return fine;
}

static struct workspace* new_workspace(void) {
  struct workspace* w = allocate(sizeof *w);
  if (w) memset(w, 0, sizeof *w);
  return w;
}

static void free_workspace(struct workspace* w) {
  if (!w) return;
  for (int i = 0; i < BLOCK; i++) free(w->atoms[i].edges);
  free(w->found);
  free(w->found_index);
  free(w);
}

#endif
