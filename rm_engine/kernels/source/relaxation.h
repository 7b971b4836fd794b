/* The relaxation of one structure, step by step what rm_engine.relax does for a batch: cell filter, FIRE, guards. */
#ifndef RELAXATION_H
#define RELAXATION_H

#include <time.h>

#include "langevin.h"
#include "lbfgs.h"
#include "pull.h"
#include "skin.h"
#include "symmetry.h"

enum { FREE, FIXED_VOLUME, FIXED };                                                          /* what the cell may do */
enum { GOES_ON, CONVERGED, OUT_OF_STEPS, SET_ASIDE, REDUCE, NO_MEMORY, TOO_MANY_NEIGHBORS }; /* how a run ended */
enum { FINE, NOT_FINITE, FORCES_BLEW_UP, COLLAPSED, FLEW_APART, FLAT };                      /* guard.REASONS */

/* RelaxationConfig, GuardConfig and the optimiser's: n_pairs is for L-BFGS only, n_steps for Langevin. */
struct relaxation_config {
  double fmax, skin, time_step, largest_time_step, largest_move, growth, shrinkage, mixing, mixing_decay;
  double smallest_volume_ratio, largest_volume_ratio, smallest_height, largest_force, thin, pressure;
  double temperature, final_temperature, friction;
  int64_t max_steps, patience, n_pairs, n_steps, cell, reduction_interval, n_frozen;
};

/* RelaxationState of one structure. */
struct relaxation {
  int64_t n_atoms;
  int32_t* species;
  double *reference_positions, *velocities; /* (n_atoms, 3) */
  double* history;                          /* (2 + 2 n_pairs, 3 n_atoms + 9) */
  int32_t reason;
  uint8_t periodic[4];
  double reference_cell[9], deformation[9], cell_velocity[9];
  double time_step, mixing, start_volume, energy, potential_seconds;
  double cutoff; /* the largest of all potentials */
  int64_t n_downhill, n_steps, reduced_at;
  uint64_t key; /* of its noise */
  struct symmetry symmetry;
  int64_t n_pulls;
  const struct pull* pulls;
};

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + 1e-9 * now.tv_nsec;
}

static int is_crystal(const struct relaxation* r) { return r->periodic[0] && r->periodic[1] && r->periodic[2]; }

/* Where the structure is now: both times the deformation's transpose. */
static void deform(const struct relaxation* r, double* positions, double cell[9]) {
  multiply(r->reference_cell, r->deformation, 1, cell);
  const double* f = r->deformation;
  for (int64_t i = 0; i < r->n_atoms; i++) {
    const double* at = r->reference_positions + 3 * i;
    for (int axis = 0; axis < 3; axis++)
      positions[3 * i + axis] = at[0] * f[3 * axis] + at[1] * f[3 * axis + 1] + at[2] * f[3 * axis + 2];
  }
}

static double least_height(const double cell[9]) {
  double height[3];
  heights(cell, height);
  return fmin(height[0], fmin(height[1], height[2]));
}

static int check_geometry(const struct relaxation* r, const struct relaxation_config* c, const double* positions,
                          const double cell[9]) {
  double volume = fabs(determinant(cell)), ratio = volume / r->start_volume, total = volume;
  for (int64_t k = 0; k < 3 * r->n_atoms; k++) total += positions[k];
  if (!isfinite(total)) return NOT_FINITE;
  if (!is_crystal(r)) return FINE;
  if (ratio < c->smallest_volume_ratio) return COLLAPSED;
  if (ratio > c->largest_volume_ratio) return FLEW_APART;
  return least_height(cell) < c->smallest_height ? FLAT : FINE;
}

/* The largest norm of rows of three numbers, squared; NaN where there is one. */
static double largest_row2(const double* rows, int64_t n) {
  double largest = 0;
  for (int64_t i = 0; i < n; i++) {
    double norm2 = inner(rows + 3 * i, rows + 3 * i, 3);
    if (!(norm2 <= largest) && !isnan(largest)) largest = norm2;
  }
  return largest;
}

/* Forces on the reference positions, in the place of those in `answer`, and on n_atoms F. */
static void generalize(const struct relaxation* r, const struct relaxation_config* c, struct answer* answer,
                       double on_cell[9]) {
  const double* f = r->deformation;
  double inverse[9];
  for (int64_t i = 0; i < r->n_atoms; i++) {
    double *at = answer->forces + 3 * i, row[3];
    for (int axis = 0; axis < 3; axis++) row[axis] = at[0] * f[axis] + at[1] * f[3 + axis] + at[2] * f[6 + axis];
    memcpy(at, row, sizeof row);
  }
  int64_t n_frozen = c->n_frozen < r->n_atoms ? c->n_frozen : r->n_atoms;
  memset(answer->forces, 0, 3 * n_frozen * sizeof(double));
  memset(on_cell, 0, 9 * sizeof(double));
  if (c->cell != FIXED && is_crystal(r)) {
    double outwards = c->pressure * r->start_volume * fabs(determinant(f)); /* the virial of pV is this on each axis */
    for (int axis = 0; axis < 3; axis++) answer->virial[4 * axis] += outwards;
    invert(f, inverse);
    multiply(answer->virial, inverse, 1, on_cell);
    for (int k = 0; k < 9; k++) on_cell[k] = -on_cell[k];
    if (c->cell == FIXED_VOLUME) { /* without the part along F^-T, the gradient of the logarithm of the volume */
      double along = 0, norm2 = inner(inverse, inverse, 9);
      for (int k = 0; k < 9; k++) along += on_cell[k] * inverse[3 * (k % 3) + k / 3];
      for (int k = 0; k < 9; k++) on_cell[k] -= along / norm2 * inverse[3 * (k % 3) + k / 3];
    }
    for (int k = 0; k < 9; k++) on_cell[k] /= r->n_atoms;
  }
}

/* One step of FIRE (fire.py). */
static void fire_step(struct relaxation* r, const struct relaxation_config* c, const double* forces,
                      const double on_cell[9]) {
  int64_t n = 3 * r->n_atoms;
  double power = inner(forces, r->velocities, n) + inner(on_cell, r->cell_velocity, 9);
  double force = sqrt(inner(forces, forces, n) + inner(on_cell, on_cell, 9));
  double speed = sqrt(inner(r->velocities, r->velocities, n) + inner(r->cell_velocity, r->cell_velocity, 9));
  int downhill = power > 0;
  double keep = downhill ? 1 - r->mixing : 0, turn = downhill ? r->mixing * speed / fmax(force, 1e-30) : 0;
  if (downhill && r->n_downhill > c->patience) {
    r->time_step = fmin(r->time_step * c->growth, c->largest_time_step);
    r->mixing *= c->mixing_decay;
  }
  if (!downhill) {
    if (r->n_steps) r->time_step *= c->shrinkage; /* at rest the power is 0: no reason to slow down */
    r->mixing = c->mixing;
  }
  r->n_downhill = downhill ? r->n_downhill + 1 : 0;
  double kick = turn + r->time_step;
  for (int64_t k = 0; k < n; k++) r->velocities[k] = keep * r->velocities[k] + kick * forces[k];
  for (int k = 0; k < 9; k++) r->cell_velocity[k] = keep * r->cell_velocity[k] + kick * on_cell[k];
  double length =
      r->time_step * sqrt(inner(r->velocities, r->velocities, n) + inner(r->cell_velocity, r->cell_velocity, 9));
  double move = r->time_step * fmin(c->largest_move / fmax(length, 1e-30), 1);
  for (int64_t k = 0; k < n; k++) r->reference_positions[k] += move * r->velocities[k];
  for (int k = 0; k < 9; k++) r->deformation[k] += move / r->n_atoms * r->cell_velocity[k];
}

/* One step of L-BFGS (lbfgs.py). */
static void lbfgs_step(struct relaxation* r, const struct relaxation_config* c, const double* forces,
                       const double on_cell[9]) {
  int64_t on_atoms = 3 * r->n_atoms, n = on_atoms + 9;
  double at[n], step[n];
  memcpy(at, r->reference_positions, on_atoms * sizeof(double));
  for (int k = 0; k < 9; k++) at[on_atoms + k] = r->n_atoms * r->deformation[k];
  memcpy(step, forces, on_atoms * sizeof(double));
  memcpy(step + on_atoms, on_cell, 9 * sizeof(double));
  remember(r->history, c->n_pairs, n, r->n_steps > 0, at, step);
  find_direction(r->history, c->n_pairs, n, step);
  double scale = fmin(c->largest_move / sqrt(largest_row2(step, r->n_atoms + 3)), 1);
  for (int64_t k = 0; k < on_atoms; k++) r->reference_positions[k] += scale * step[k];
  for (int k = 0; k < 9; k++) r->deformation[k] += scale * step[on_atoms + k] / r->n_atoms;
}

/* One step of Langevin dynamics (langevin.py). */
static void langevin_step(struct relaxation* r, const struct relaxation_config* c, const double* forces,
                          const double on_cell[9]) {
  double cooled = c->temperature + (c->final_temperature - c->temperature) * r->n_steps / c->n_steps;
  struct dynamics d = {cooled, c->time_step, c->friction, c->largest_move};
  double kick = r->n_steps ? c->time_step : c->time_step / 2;
  uint64_t counter = 3 * (r->n_atoms + 3) * r->n_steps;
  langevin_rows(&d, kick, r->key, counter, r->n_atoms, 1, forces, r->velocities, r->reference_positions);
  counter += 3 * r->n_atoms;
  langevin_rows(&d, kick, r->key, counter, 3, 1.0 / r->n_atoms, on_cell, r->cell_velocity, r->deformation);
}

static void move(struct relaxation* r, const struct relaxation_config* c, const double* forces,
                 const double on_cell[9]) {
  (c->n_steps ? langevin_step : c->n_pairs ? lbfgs_step : fire_step)(r, c, forces, on_cell);
  if (c->cell == FIXED_VOLUME) {
    double scale = cbrt(fmax(determinant(r->deformation), 1e-3));
    for (int k = 0; k < 9; k++) r->deformation[k] /= scale;
  }
  r->n_steps++;
}

/* Whether cell vectors should be chosen anew before the structure goes on: now and then if it is thin, and if it looks
 * as if it should be set aside. Asked for at most once at a step. */
static int wants_reduction(struct relaxation* r, const struct relaxation_config* c, const double cell[9], int reason) {
  if (!is_crystal(r) || r->reduced_at == r->n_steps) return 0;
  int due = r->n_steps % c->reduction_interval == 0;
  if (!reason && !(due && least_height(cell) < c->thin * cbrt(fabs(determinant(cell))))) return 0;
  r->reduced_at = r->n_steps;
  return 1;
}

static int run_steps(const struct potential* p, const struct relaxation_config* c, struct relaxation* r,
                     int64_t n_steps, struct workspace* w, struct skinned* near, double* positions, double* forces,
                     double* spare) {
  double cell[9], on_cell[9];
  struct structure s = {r->n_atoms, r->species, positions, cell};
  struct answer answer = {.forces = forces};
  int has_list = 0;
  for (int64_t step = 0; step < n_steps; step++) {
    deform(r, positions, cell);
    r->reason = check_geometry(r, c, positions, cell);
    if (wants_reduction(r, c, cell, r->reason)) return REDUCE;
    if (r->reason) {
      r->energy = NAN; /* of where it is now nothing is known */
      return SET_ASIDE;
    }
    if (!has_list || is_stale(near, positions, cell, r->cutoff, c->skin)) {
      int built = build_list(near, positions, cell, r->periodic, r->cutoff + c->skin);
      if (built != BUILT) return built == TOO_MANY ? TOO_MANY_NEIGHBORS : NO_MEMORY;
      if (!reserve(w, near->list.width, r->n_atoms)) return NO_MEMORY;
      has_list = 1;
    }
    double begin = seconds();
    evaluate(p, &s, &near->list, w, &answer);
    for (int64_t k = 0; k < r->n_pulls; k++)
      if (!add_pull(r->pulls + k, &s, &near->list, &answer, spare)) return NO_MEMORY;
    r->potential_seconds += seconds() - begin;
    r->energy = answer.energy;
    generalize(r, c, &answer, on_cell);
    if (r->symmetry.n_operations) symmetrize(&r->symmetry, r->n_atoms, forces, on_cell, spare);
    double on_atoms2 = largest_row2(forces, r->n_atoms), on_cell2 = largest_row2(on_cell, 3);
    double largest = sqrt(on_cell2 <= on_atoms2 || isnan(on_atoms2) ? on_atoms2 : on_cell2);
    if (!isfinite(answer.energy) || !isfinite(largest)) r->reason = NOT_FINITE;
    else if (largest > c->largest_force) r->reason = FORCES_BLEW_UP;
    if (r->reason) return SET_ASIDE;
    if (largest < c->fmax) return CONVERGED;
    if (r->n_steps >= c->max_steps) return OUT_OF_STEPS;
    move(r, c, forces, on_cell);
  }
  return GOES_ON;
}

#endif
