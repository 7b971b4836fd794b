/* How sums over neighbours and invariants change when the neighbours move. */
#ifndef TANGENTS_H
#define TANGENTS_H

#include "potential.h"

/* The loss's gradient by the answer of one structure. */
struct cotangent {
  double energy;
  const double* forces; /* (n_atoms, 3) */
  double virial[9];     /* symmetric */
};

/* How neighbours move: their directions and distances. */
struct motion {
  vec x, y, z, distance;
};

/* Neighbours of one element: their sum, (radial, monomial), and its tangent. */
struct group {
  vec sums[TERM_VECS], tangents[TERM_VECS];
  int first, n_edges, species;
};

struct tangent_atom {
  struct motion* motions;
  struct group* groups;
  int n_groups;
  float sums[N_EMBEDDING][N_RADIAL][WIDE] __attribute__((aligned(64)));
  float tangents[N_EMBEDDING][N_RADIAL][WIDE] __attribute__((aligned(64)));
  vec mixed[N_EMBEDDING][N_MONOMIALS][MIXED_VECS];
  vec features[FEATURE_VECS];
};

struct tangent_workspace {
  struct workspace* plain;
  struct tangent_atom atoms[BLOCK];
};

static void free_tangent_workspace(struct tangent_workspace* w) {
  if (!w) return;
  free_workspace(w->plain);
  for (int i = 0; i < BLOCK; i++) free(w->atoms[i].motions), free(w->atoms[i].groups);
  free(w);
}

static struct tangent_workspace* new_tangent_workspace(int64_t width, int64_t n_species) {
  struct tangent_workspace* w = allocate(sizeof *w);
  if (!w) return NULL;
  memset(w, 0, sizeof *w);
  w->plain = new_workspace();
  int fine = w->plain && reserve(w->plain, width, n_species);
  int64_t n_edges = width / LANES + n_species + 1;
  for (int i = 0; i < BLOCK; i++) {
    w->atoms[i].motions = allocate(n_edges * sizeof(struct motion));
    w->atoms[i].groups = allocate(n_edges * sizeof(struct group));
    fine = fine && w->atoms[i].motions && w->atoms[i].groups;
  }
  if (fine) return w;
  free_tangent_workspace(w);
  return NULL;
}

static void move_edges(const struct cotangent* c, int64_t i, const struct edges* e, struct motion* motion) {
  const double *own = c->forces + 3 * i, *s = c->virial;
  float own_x = own[0], own_y = own[1], own_z = own[2];
  vec other[3] = {splat(own_x), splat(own_y), splat(own_z)}; /* padding stays where it is */
  for (int lane = 0; lane < e->count; lane++) {
    const double* at = c->forces + 3 * e->neighbor[lane];
    other[0][lane] = at[0], other[1][lane] = at[1], other[2][lane] = at[2];
  }
  vec x = e->x * e->distance, y = e->y * e->distance, z = e->z * e->distance;
  vec dx = own_x - other[0] + x * (float)s[0] + y * (float)s[3] + z * (float)s[6];
  vec dy = own_y - other[1] + x * (float)s[1] + y * (float)s[4] + z * (float)s[7];
  vec dz = own_z - other[2] + x * (float)s[2] + y * (float)s[5] + z * (float)s[8];
  vec along = dx * e->x + dy * e->y + dz * e->z;
  motion->distance = along;
  motion->x = (dx - along * e->x) * e->inverse;
  motion->y = (dy - along * e->y) * e->inverse;
  motion->z = (dz - along * e->z) * e->inverse;
}

/* See monomial_lanes; d[] are the tangents when the direction moves by (dx, dy, dz). */
INLINE void moving_monomial_lanes(float x, float y, float z, float dx, float dy, float dz, vec m[MONOMIAL_VECS],
                                  vec d[MONOMIAL_VECS]) {
  EACH (v, MONOMIAL_VECS) {
    vec a = factor(0, v, x, y, z), b = factor(1, v, x, y, z);
    m[v] = a * b;
    d[v] = moving_factor(0, v, dx, dy, dz) * b + a * moving_factor(1, v, dx, dy, dz);
    if ((v + 1) * LANES > 10 && L_MAX == 3) {
      vec c = factor(2, v, x, y, z);
      d[v] = d[v] * c + m[v] * moving_factor(2, v, dx, dy, dz);
      m[v] *= c;
    }
  }
}

/* (radial, monomial) without gaps. */
static void flatten_terms(const vec sums[N_RADIAL][MONOMIAL_VECS], vec terms[TERM_VECS]) {
  float* flat = (float*)terms;
  const float* lanes = (const float*)sums;
  memset(terms, 0, TERM_VECS * sizeof(vec));
  for (int n = 0; n < N_RADIAL; n++)
    EACH (m, N_MONOMIALS) flat[n * N_MONOMIALS + m] = lanes[n * WIDE + m];
}

static void sum_moving_neighbors(const struct potential* p, const struct atom* atom, struct tangent_atom* tangent) {
  vec total[N_EMBEDDING][N_RADIAL][MONOMIAL_VECS], total_tangent[N_EMBEDDING][N_RADIAL][MONOMIAL_VECS];
  memset(total, 0, sizeof total);
  memset(total_tangent, 0, sizeof total_tangent);
  tangent->n_groups = 0;
  for (int k = 0; k < atom->n_edges;) {
    struct group* group = tangent->groups + tangent->n_groups++;
    group->first = k;
    group->species = atom->edges[k].species;
    vec sums[N_RADIAL][MONOMIAL_VECS], tangents[N_RADIAL][MONOMIAL_VECS];
    memset(sums, 0, sizeof sums);
    memset(tangents, 0, sizeof tangents);
    for (; k < atom->n_edges && atom->edges[k].species == group->species; k++) {
      const struct edges* e = atom->edges + k;
      const struct motion* motion = tangent->motions + k;
      vec radial_tangents[N_RADIAL];
      EACH (n, N_RADIAL) radial_tangents[n] = e->slope[n] * motion->distance;
      const float *u = (const float*)&e->x, *du = (const float*)&motion->x;
      const float *radial = (const float*)e->radial, *moving = (const float*)radial_tangents;
      for (int lane = 0; lane < e->count; lane++) {
        vec m[MONOMIAL_VECS], d[MONOMIAL_VECS];
        moving_monomial_lanes(u[lane], u[lane + LANES], u[lane + 2 * LANES], du[lane], du[lane + LANES],
                              du[lane + 2 * LANES], m, d);
        EACH (n, N_RADIAL)
          EACH (v, MONOMIAL_VECS) {
            sums[n][v] += radial[n * LANES + lane] * m[v];
            tangents[n][v] += moving[n * LANES + lane] * m[v] + radial[n * LANES + lane] * d[v];
          }
      }
    }
    group->n_edges = k - group->first;
    flatten_terms(sums, group->sums);
    flatten_terms(tangents, group->tangents);
    const float* sender = p->sender + group->species * N_EMBEDDING;
    for (int a = 0; a < N_EMBEDDING; a++)
      EACH (n, N_RADIAL)
        EACH (v, MONOMIAL_VECS) {
          total[a][n][v] += sender[a] * sums[n][v];
          total_tangent[a][n][v] += sender[a] * tangents[n][v];
        }
  }
  memcpy(tangent->sums, total, sizeof total);
  memcpy(tangent->tangents, total_tangent, sizeof total_tangent);
}

#if NU_MAX == 3
/* The tangents of the four contractions. */
INLINE void moving_contractions(const vec v[3], const vec m[6], const vec t[10], const vec dv[3], const vec dm[6],
                                const vec dt[10], vec found[4]) {
  EACH (c, 4) found[c] = splat(0);
  EACH (i, 3)
    EACH (j, 3) {
      vec mij = m[matrix_at[i][j]], dmij = dm[matrix_at[i][j]], squared = splat(0), along = splat(0), moving = splat(0);
      EACH (k, 3) {
        vec tijk = t[rank3_at[i][j][k]], dtijk = dt[rank3_at[i][j][k]], turned = splat(0), turning = splat(0);
        squared += m[matrix_at[i][k]] * m[matrix_at[k][j]];
        along += tijk * v[k];
        moving += dtijk * v[k] + tijk * dv[k];
        EACH (l, 3) {
          turned += t[rank3_at[i][j][l]] * m[matrix_at[k][l]];
          turning += t[rank3_at[i][j][l]] * dm[matrix_at[k][l]];
        }
        found[3] += 2.0f * dtijk * turned + tijk * turning;
      }
      found[0] += 2.0f * dv[i] * v[j] * mij + v[i] * v[j] * dmij;
      found[1] += 3.0f * squared * dmij;
      found[2] += moving * mij + along * dmij;
    }
}
#endif

/* The tangents of the features; see invariants(). */
static void moving_invariants(const float* receiver, const struct atom* atom, struct tangent_atom* tangent) {
  for (int a = 0; a < N_EMBEDDING; a++)
    EACH (v, MIXED_VECS) {
      vec t = ((const vec*)receiver)[v], t2 = t * t;
      vec* features = tangent->features + a * N_INVARIANTS * MIXED_VECS + v;
      vec squares[4] = {{0}, {0}, {0}, {0}};
      UNROLL for (int m = 1; m < N_MONOMIALS; m++)
        squares[degree_of[m]] += atom->mixed[a][m][v] * tangent->mixed[a][m][v] * (2.0f * multiplicity[m]);
      features[0] = tangent->mixed[a][0][v] * t;
      UNROLL for (int l = 1; l <= L_MAX; l++)
        features[l * MIXED_VECS] = squares[l] * t2;
#if NU_MAX == 3
      vec x[20], dx[20], found[4];
      UNROLL for (int m = 1; m < 20; m++)
        x[m] = atom->mixed[a][m][v], dx[m] = tangent->mixed[a][m][v];
      moving_contractions(x + 1, x + 4, x + 10, dx + 1, dx + 4, dx + 10, found);
      EACH (c, 4) features[(1 + L_MAX + c) * MIXED_VECS] = found[c] * t2 * t;
#endif
    }
}

#endif
