/* Which atom of one structure stands for which of another: the sum of squared distances is smallest. */
#ifndef ASSIGNMENT_H
#define ASSIGNMENT_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FORBIDDEN 1e20

struct assignment {
  double *u, *v, *least;
  int *way, *row_of, *partner; /* partner: column of each row */
  char *used, *is_free;
};

/* Give each row the column nearest to it, where that is still free; 0 where a row has none at all. */
static int assign_nearest(struct assignment* a, const double* cost, int n) {
  for (int j = 0; j <= n; j++) a->v[j] = 0, a->row_of[j] = 0;
  for (int i = 1; i <= n; i++, cost += n) {
    int best = 0;
    double least = cost[0];
    for (int j = 1; j < n; j++) {
      int is_less = cost[j] < least;
      best = is_less ? j : best, least = is_less ? cost[j] : least;
    }
    if (least >= FORBIDDEN) return 0;
    a->u[i] = least;
    a->is_free[i] = a->row_of[best + 1] != 0;
    if (!a->is_free[i]) a->row_of[best + 1] = i;
  }
  return 1;
}

/* Partners of least total cost (n, n), by shortest augmenting paths (Jonker and Volgenant, DOI 10.1007/BF02278710);
   rows and columns count from 1 inside. 0 where every choice has a forbidden pair. */
static int assign(struct assignment* a, const double* cost, int n) {
  double *u = a->u, *v = a->v, *least = a->least;
  int *way = a->way, *row_of = a->row_of;
  if (!assign_nearest(a, cost, n)) return 0;
  for (int i = 1; i <= n; i++) {
    if (!a->is_free[i]) continue;
    int column = 0;
    row_of[0] = i;
    for (int j = 0; j <= n; j++) least[j] = INFINITY, a->used[j] = 0;
    do {
      a->used[column] = 1;
      int row = row_of[column], next = 0;
      const double* costs = cost + (size_t)(row - 1) * n - 1;
      double delta = INFINITY;
      for (int j = 1; j <= n; j++) {
        if (a->used[j]) continue;
        double reduced = costs[j] - u[row] - v[j];
        if (reduced < least[j]) least[j] = reduced, way[j] = column;
        if (least[j] < delta) delta = least[j], next = j;
      }
      if (delta >= FORBIDDEN / 2) return 0;
      for (int j = 0; j <= n; j++)
        if (a->used[j]) u[row_of[j]] += delta, v[j] -= delta;
        else least[j] -= delta;
      column = next;
    } while (row_of[column] != 0);
    for (; column; column = way[column]) row_of[column] = row_of[way[column]];
  }
  for (int j = 1; j <= n; j++) a->partner[row_of[j] - 1] = j - 1;
  return 1;
}

#endif
