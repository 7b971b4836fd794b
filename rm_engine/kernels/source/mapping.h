/* Mapping one crystal onto others: the search of pymatgen's StructureMatcher (DOI 10.1016/j.commatsci.2012.10.028), for
   one structure and many references.

   Both come in Niggli cells of one atom per unit volume, atoms grouped by element, as many of each. A mapping is a
   basis of the structure's lattice that resembles the reference's cell, an atom laid on an atom, and the assignment of
   atoms that costs least, measured in the mean of both cells. */
#ifndef MAPPING_H
#define MAPPING_H

#include "assignment.h"
#include "lattice.h"
#include "species.h"

#define N_PAIRS 13 /* of opposite images */
#define EXACT 1e-5 /* a mapping as good as that is not improved upon */
#define PI 3.14159265358979323846

#if defined(__AVX512F__) /* compilers emulate wider vectors than there are, slowly */
#define LANES 8
#elif defined(__AVX__)
#define LANES 4
#else
#define LANES 2
#endif

typedef double pack __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
typedef int64_t mask __attribute__((vector_size(8 * LANES)));

static inline pack larger(pack a, pack b) {
  mask is_first = a > b;
  return (pack)((is_first & (mask)a) | (~is_first & (mask)b));
}

struct tolerances {
  double length, site, angle;
  int largest; /* measure by the largest displacement, and take the first mapping within `site` */
};

struct parameters {
  double lengths[3], angles[3]; /* angles between second and third, third and first, first and second vector */
};

struct mean_cell {
  double cell[9]; /* LLL-reduced, as images are fewest there */
  int n_images;   /* those that may be nearer, one of each opposite pair */
  double images[N_PAIRS][3], squares[N_PAIRS];
  double scale;           /* 1 / (volume per atom)^(1/3) */
  double near[3];         /* how far fractional coordinates may differ */
  double near_reduced[3]; /* the same in the reduced cell */
  int inverse[9];         /* fractional coordinates times this are those in the reduced cell */
};

/* Fractional coordinates of the structure (1) and the reference (2) in the mean cell (f) and in the reduced one (g;
   columns are g1 coordinate by coordinate); of the pairs of one element: wrapped difference, squared distance. */
struct search {
  struct species species;
  struct tolerances tolerances;
  double *f1, *g1, *g2, *columns, *x, *y, *z, *cost;
  const double* f2;
  int origin;
  struct assignment assignment;
  double best;
};

static int is_over(const struct search* s) { return s->best < (s->tolerances.largest ? s->tolerances.site : EXACT); }

static double angle_of(const double* a, const double* b) {
  double x = inner(a, b, 3) / sqrt(inner(a, a, 3) * inner(b, b, 3));
  return acos(x > 1 ? 1 : x < -1 ? -1 : x);
}

static struct parameters measure_cell(const double cell[9]) {
  struct parameters p;
  for (int k = 0; k < 3; k++) {
    p.lengths[k] = sqrt(inner(cell + 3 * k, cell + 3 * k, 3));
    p.angles[k] = angle_of(cell + 3 * ((k + 1) % 3), cell + 3 * ((k + 2) % 3));
  }
  return p;
}

static void find_nearness(const double cell[9], double site, double scale, double out[3]) {
  double height[3];
  heights(cell, height);
  for (int k = 0; k < 3; k++) out[k] = 2 * site / (height[k] * scale);
}

/* The images that can be nearer than a wrapped vector, whose coordinates are f, |f| <= near and 1/2: |v - image| < |v|
   takes image^2 < 2 v image <= 2 sum |f| |cell vector . image|. */
static void find_nearer_images(struct mean_cell* mean) {
  mean->n_images = 0;
  for (int m = 14; m < 27; m++) { /* of the 27 triples of -1, 0, 1 */
    double *image = mean->images[mean->n_images], reach = 0;
    for (int c = 0; c < 3; c++)
      image[c] = (m / 9 - 1) * mean->cell[c] + (m / 3 % 3 - 1) * mean->cell[3 + c] + (m % 3 - 1) * mean->cell[6 + c];
    for (int k = 0; k < 3; k++)
      reach += 2 * fmin(0.5, mean->near_reduced[k]) * fabs(inner(mean->cell + 3 * k, image, 3));
    mean->squares[mean->n_images] = inner(image, image, 3);
    mean->n_images += reach > mean->squares[mean->n_images];
  }
}

/* The cell of mean lengths and angles; 0 where no cell has them. */
static int find_mean(const double cell1[9], const struct parameters* other, const struct search* s,
                     struct mean_cell* mean) {
  struct parameters own = measure_cell(cell1);
  double lengths[3], angles[3];
  for (int k = 0; k < 3; k++) {
    lengths[k] = (own.lengths[k] + other->lengths[k]) / 2;
    angles[k] = (own.angles[k] + other->angles[k]) / 2;
  }
  double ca = cos(angles[0]), cb = cos(angles[1]), cg = cos(angles[2]), sg = sin(angles[2]);
  double y = (ca - cb * cg) / sg, z2 = 1 - cb * cb - y * y;
  if (!(z2 > 0)) return 0;
  double cell[9] = {lengths[0],           0, 0, lengths[1] * cg, lengths[1] * sg, 0, lengths[2] * cb, lengths[2] * y,
                    lengths[2] * sqrt(z2)};
  mean->scale = cbrt(s->species.n / determinant(cell));
  find_nearness(cell, s->tolerances.site, mean->scale, mean->near);
  int map[9];
  reduce_lll(cell, map);
  invert_integers(map, mean->inverse);
  find_nearness(cell, s->tolerances.site, mean->scale, mean->near_reduced);
  memcpy(mean->cell, cell, sizeof cell);
  find_nearer_images(mean);
  return 1;
}

static inline pack round_each(pack x) {
  const double magic = 6755399441055744.0; /* 1.5 * 2^52: adding it leaves the nearest integer */
  return (x + magic) - magic;
}

static inline mask is_far(pack x, double near) { return larger(x, -x) > near; }

/* From differences of fractional coordinates (n, filled up to whole packs) to Cartesian ones, wrapped, and the squared
   length of their shortest images; FORBIDDEN where coordinates are not near. */
static void find_images(const struct mean_cell* mean, double* x, double* y, double* z, int n, double* cost) {
  const double *c = mean->cell, *near = mean->near_reduced;
  const pack forbidden = FORBIDDEN + (pack){0};
  for (int p = 0; p < n; p += LANES) {
    pack f = *(pack*)(x + p), g = *(pack*)(y + p), h = *(pack*)(z + p);
    f -= round_each(f), g -= round_each(g), h -= round_each(h);
    mask far = is_far(f, near[0]) | is_far(g, near[1]) | is_far(h, near[2]);
    pack u = f * c[0] + g * c[3] + h * c[6], v = f * c[1] + g * c[4] + h * c[7], w = f * c[2] + g * c[5] + h * c[8];
    pack gain = {0}; /* |v -+ image|^2 = |v|^2 - (2 |v image| - image^2) */
    for (int m = 0; m < mean->n_images; m++) {
      const double* image = mean->images[m];
      pack along = 2 * (u * image[0] + v * image[1] + w * image[2]);
      gain = larger(larger(along, -along) - mean->squares[m], gain);
    }
    *(pack*)(x + p) = u, *(pack*)(y + p) = v, *(pack*)(z + p) = w;
    *(pack*)(cost + p) = u * u + v * v + w * w - gain + (pack)(far & (mask)forbidden);
  }
}

/* Squared distances of all pairs (size, size) of an element that begins at `first`. */
static void find_costs(struct search* s, const struct mean_cell* mean, const double shift[3], int first, int size) {
  double* const out[3] = {s->x, s->y, s->z};
  for (int k = 0; k < 3; k++) {
    const double* restrict g1 = s->columns + k * s->species.n + first;
    for (int i = 0; i < size; i++) {
      double* restrict row = out[k] + i * size, from = s->g2[3 * (first + i) + k] + shift[k];
      for (int j = 0; j < size; j++) row[j] = g1[j] - from;
    }
  }
  find_images(mean, s->x, s->y, s->z, size * size, s->cost);
}

/* The shortest image of a vector, in place. */
static void shorten(const struct mean_cell* mean, double v[3]) {
  double square = inner(v, v, 3), best = square, by[3] = {0};
  for (int m = 0; m < mean->n_images; m++) {
    double along = 2 * inner(v, mean->images[m], 3), other = square + mean->squares[m] - fabs(along);
    if (other >= best) continue;
    best = other;
    for (int k = 0; k < 3; k++) by[k] = along > 0 ? -mean->images[m][k] : mean->images[m][k];
  }
  for (int k = 0; k < 3; k++) v[k] += by[k];
}

/* Displacements of the cheapest assignment after a shift, less their mean: the root of their mean square, or the
   largest; INFINITY where an atom has no partner. Units of (volume per atom)^(1/3). */
static double measure(struct search* s, const struct mean_cell* mean, const double shift[3]) {
  int n = s->species.n;
  double centre[3] = {0}, sum = 0, largest = 0, *vectors = s->f1 + 3 * n;
  for (int b = 0; b < s->species.n_blocks; b++) {
    int first = s->species.blocks[b], size = s->species.blocks[b + 1] - first;
    find_costs(s, mean, shift, first, size);
    if (!assign(&s->assignment, s->cost, size)) return INFINITY;
    for (int i = 0; i < size; i++) {
      int p = i * size + s->assignment.partner[i];
      double* v = vectors + 3 * (first + i);
      v[0] = s->x[p], v[1] = s->y[p], v[2] = s->z[p];
      shorten(mean, v);
      for (int k = 0; k < 3; k++) centre[k] += v[k] / n;
    }
  }
  for (int i = 0; i < n; i++) {
    double square = 0;
    for (int k = 0; k < 3; k++) square += (vectors[3 * i + k] - centre[k]) * (vectors[3 * i + k] - centre[k]);
    sum += square;
    largest = fmax(largest, square);
  }
  return sqrt(s->tolerances.largest ? largest : sum / n) * mean->scale;
}

/* All ways to lay the reference's origin atom on an atom of the structure. */
static void try_origins(struct search* s, const struct mean_cell* mean) {
  const int32_t* block = s->species.blocks;
  while (block[1] <= s->origin) block++;
  for (int i = block[0]; i < block[1] && !is_over(s); i++) {
    double shift[3], reduced[3];
    for (int k = 0; k < 3; k++) {
      shift[k] = s->f1[3 * i + k] - s->f2[3 * s->origin + k];
      reduced[k] = s->g1[3 * i + k] - s->g2[3 * s->origin + k];
    }
    if (all_are_near(&s->species, s->f1, s->f2, shift, mean->near)) s->best = fmin(s->best, measure(s, mean, reduced));
  }
}

/* A basis of the structure's lattice, and the same turned round, for which all but the signs is the same. */
static void try_basis(struct search* s, const struct lattice_vector* const basis[3], const double* frac1,
                      const struct parameters* cell2) {
  double cell1[9];
  int rows[9], inverse[9];
  struct mean_cell mean;
  for (int k = 0; k < 3; k++) {
    memcpy(cell1 + 3 * k, basis[k]->vector, 3 * sizeof *cell1);
    memcpy(rows + 3 * k, basis[k]->index, 3 * sizeof *rows);
  }
  if (!find_mean(cell1, cell2, s, &mean)) return;
  invert_integers(rows, inverse);
  transform(s->f2, mean.inverse, s->species.n, s->g2);
  for (int turn = 0; turn < 2 && !is_over(s); turn++) {
    transform(frac1, inverse, s->species.n, s->f1);
    transform(s->f1, mean.inverse, s->species.n, s->g1);
    for (int i = 0; i < 3 * s->species.n; i++) s->columns[i % 3 * s->species.n + i / 3] = s->g1[i];
    try_origins(s, &mean);
    for (int k = 0; k < 9; k++) inverse[k] = -inverse[k];
  }
}

static int is_first_of_pair(const int index[3]) {
  for (int k = 0; k < 3; k++)
    if (index[k]) return index[k] > 0;
  return 0;
}

static int is_basis(const struct lattice_vector* const v[3]) {
  double rows[9];
  for (int k = 0; k < 9; k++) rows[k] = v[k / 3]->index[k % 3];
  return fabs(fabs(determinant(rows)) - 1) < 0.5;
}

static double cos_within(double angle) { return cos(angle < 0 ? 0 : angle > PI ? PI : angle); }

static int is_angle(const struct lattice_vector* a, const struct lattice_vector* b, double low, double high) {
  double x = inner(a->vector, b->vector, 3), scale = a->length * b->length;
  return x >= low * scale && x <= high * scale;
}

/* Every basis of the structure's lattice with about the lengths and angles of the reference's cell. */
static void try_bases(struct search* s, const struct lattice_vector* vectors, int n_vectors, const double* frac1,
                      const double cell2[9]) {
  struct parameters p = measure_cell(cell2);
  double low[3], high[3], ratio = 1 + s->tolerances.length;
  int first[3], stop[3];
  const struct lattice_vector* v[3];
  for (int k = 0; k < 3; k++) {
    low[k] = cos_within(p.angles[k] + s->tolerances.angle), high[k] = cos_within(p.angles[k] - s->tolerances.angle);
    for (first[k] = 0; first[k] < n_vectors && vectors[first[k]].length <= p.lengths[k] / ratio;) first[k]++;
    for (stop[k] = first[k]; stop[k] < n_vectors && vectors[stop[k]].length < p.lengths[k] * ratio;) stop[k]++;
  }
  for (v[0] = vectors + first[0]; v[0] < vectors + stop[0]; v[0]++) {
    if (!is_first_of_pair(v[0]->index)) continue;
    for (v[1] = vectors + first[1]; v[1] < vectors + stop[1]; v[1]++) {
      if (!is_angle(v[0], v[1], low[2], high[2])) continue;
      for (v[2] = vectors + first[2]; v[2] < vectors + stop[2]; v[2]++)
        if (is_angle(v[0], v[2], low[1], high[1]) && is_angle(v[1], v[2], low[0], high[0]) && is_basis(v)) {
          try_basis(s, v, frac1, &p);
          if (is_over(s)) return;
        }
    }
  }
}

/* Memory of a search in one piece. */
static void* allocate(struct search* s, int n) {
  size_t atoms = 3 * (size_t)n, pairs = (size_t)n * n + LANES, lines = (size_t)n + 1;
  double *next = malloc((5 * atoms + 4 * pairs + 3 * lines) * sizeof(double) + 3 * lines * sizeof(int) + 2 * lines),
         *all = next;
  if (!all) return NULL;
  double** parts[] = {&s->g1,           &s->g2,           &s->columns,         &s->x, &s->y, &s->z, &s->cost,
                      &s->assignment.u, &s->assignment.v, &s->assignment.least};
  size_t sizes[] = {atoms, atoms, atoms, pairs, pairs, pairs, pairs, lines, lines, lines};
  s->f1 = next, next += 2 * atoms;
  for (int k = 0; k < 10; k++) *parts[k] = next, next += sizes[k];
  s->assignment.way = (int*)next, s->assignment.row_of = s->assignment.way + lines;
  s->assignment.partner = s->assignment.row_of + lines;
  s->assignment.used = (char*)(s->assignment.partner + lines), s->assignment.is_free = s->assignment.used + lines;
  return all;
}

#endif
