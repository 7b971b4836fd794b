/* From invariants to the energy of an atom, and back. */
#ifndef READOUT_H
#define READOUT_H

#include "layout.h"

INLINE float sigmoid(float x) { return 1 / (1 + expf(-x)); }

/* First layer and linear map of four atoms, (BLOCK, first rows), without the biases. */
static void first_layer(const struct potential* p, vec* const features[BLOCK], float out[BLOCK][MAX_WIDTH]) {
  const vec* weights = (const vec*)p->first;
  for (int row = 0; row < FIRST_ROWS; row += ROWS) {
    vec t[ROWS * BLOCK];
    EACH (i, ROWS * BLOCK) t[i] = splat(0);
    for (int f = 0; f < FEATURE_VECS; f++)
      EACH (r, ROWS)
        EACH (i, BLOCK) t[BLOCK * r + i] += weights[(row + r) * FEATURE_VECS + f] * features[i][f];
    UNROLL for (int k = 0; k < ROWS * BLOCK; k += LANES) {
      vec totals = sum_each(t + k);
      UNROLL for (int i = k; i < k + LANES; i++)
        out[i % BLOCK][row + i / BLOCK] = totals[i - k];
    }
  }
}

/* Features' gradients from those of the first layer's rows; they take the features' place. */
static void pull_back_first_layer(const struct potential* p, float gradient[BLOCK][MAX_WIDTH],
                                  vec* const features[BLOCK]) {
  const vec* weights = (const vec*)p->first;
  for (int f = 0; f < FEATURE_VECS; f += ROWS) {
    vec t[ROWS * BLOCK];
    const int n =
        FEATURE_VECS - f < ROWS ? FEATURE_VECS - f : ROWS; /* weights behind the last are read, and not used */
    EACH (i, ROWS * BLOCK) t[i] = splat(0);
    for (int row = 0; row <= widths[0]; row++) {
      const vec* at = weights + row * FEATURE_VECS + f;
      EACH (v, ROWS)
        EACH (i, BLOCK) t[BLOCK * v + i] += gradient[i][row] * at[v];
    }
    for (int v = 0; v < n; v++)
      EACH (i, BLOCK) features[i][f + v] = t[BLOCK * v + i];
  }
}

/* One atom's way through the readout after its first layer. `rows` becomes the gradient of the energy by the first
 * rows. */
static float later_layers(const struct potential* p, float rows[MAX_WIDTH]) {
  float values[N_LAYERS][MAX_WIDTH], slopes[N_LAYERS][MAX_WIDTH], energy = rows[widths[0]];
  const float* weights = p->later;
  for (int i = 0; i < widths[0]; i++) values[0][i] = rows[i] + p->first_bias[i];
  energy += p->first_bias[widths[0]];
  UNROLL for (int layer = 0; layer + 1 < N_LAYERS; layer++) {
    const int n_in = widths[layer], n_out = widths[layer + 1];
    for (int i = 0; i < n_in; i++) { /* SiLU */
      float x = values[layer][i], gate = sigmoid(x);
      values[layer][i] = x * gate;
      slopes[layer][i] = gate * (1 + x * (1 - gate));
    }
    for (int o = 0; o < n_out; o++) {
      float total = weights[n_in * n_out + o];
      for (int i = 0; i < n_in; i++) total += weights[o * n_in + i] * values[layer][i];
      values[layer + 1][o] = total;
    }
    weights += (n_in + 1) * n_out;
  }
  energy += values[N_LAYERS - 1][0];
  float gradient[MAX_WIDTH] = {1};
  UNROLL for (int layer = N_LAYERS - 2; layer >= 0; layer--) {
    const int n_in = widths[layer], n_out = widths[layer + 1];
    float before[MAX_WIDTH];
    weights -= (n_in + 1) * n_out;
    for (int i = 0; i < n_in; i++) before[i] = 0;
    for (int o = 0; o < n_out; o++)
      for (int i = 0; i < n_in; i++) before[i] += gradient[o] * weights[o * n_in + i];
    for (int i = 0; i < n_in; i++) gradient[i] = before[i] * slopes[layer][i];
  }
  for (int i = 0; i < widths[0]; i++) rows[i] = gradient[i];
  rows[widths[0]] = 1;
  return energy;
}

#endif
