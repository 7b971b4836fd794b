/* As many floats at once as the processor has lanes, in the vector extension of GCC and clang. */
#ifndef VECTOR_H
#define VECTOR_H

#include <math.h>
#include <stdint.h>

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif

typedef float vec __attribute__((vector_size(4 * LANES), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));

#define UNROLL _Pragma("GCC unroll 128")
/* A loop of known length, without a loop. */
#define EACH(i, n) UNROLL for (int i = 0; i < (n); i++)
#define INLINE static inline __attribute__((always_inline))

INLINE vec splat(float value) { return value + (vec){0}; }

INLINE vec select_lanes(ivec mask, vec yes, vec no) { return (vec)((mask & (ivec)yes) | (~mask & (ivec)no)); }

INLINE vec square_root(vec x) {
  vec root = x;
  for (int lane = 0; lane < LANES; lane++) root[lane] = sqrtf(x[lane]);
  return root;
}

INLINE float sum_lanes(vec x) {
  float total = 0;
  for (int lane = 0; lane < LANES; lane++) total += x[lane];
  return total;
}

/* Sine and cosine of 0 <= x < 10^4: the remainder modulo pi/2 in [-pi/4, pi/4], then polynomials fitted there (largest
 * error 1e-8 before rounding). */
INLINE void sine_cosine(vec x, vec* sine, vec* cosine) {
  const float magic = 12582912.0f; /* 1.5 * 2^23: adding it leaves the nearest integer in the low bits */
  vec shifted = x * 0.636619772f + magic;
  ivec quarter = (ivec)shifted;
  vec turns = shifted - magic;
  vec y = ((x - turns * 1.5703125f) - turns * 4.83751297e-4f) - turns * 7.54978995e-8f; /* pi/2 in three parts */
  vec y2 = y * y;
  vec odd = y + y * y2 * (-0.166666552f + y2 * (0.00833220f + y2 * -0.0001952f));
  vec even = 1.0f + y2 * (-0.5f + y2 * (0.0416666467f + y2 * (-0.0013887359f + y2 * 2.44375101e-5f)));
  ivec swap = -(quarter & 1);
  vec s = select_lanes(swap, even, odd), c = select_lanes(swap, odd, even);
  *sine = (vec)((ivec)s ^ ((quarter & 2) << 30));
  *cosine = (vec)((ivec)c ^ (((quarter + 1) & 2) << 30));
}

/* e^x for |x| <= 87, clamped beyond: 2^integer times a polynomial for the rest. */
INLINE vec exponential(vec x) {
  const float magic = 12582912.0f;
  x = select_lanes(x < 87.0f, x, splat(87.0f));
  x = select_lanes(x > -87.0f, x, splat(-87.0f));
  vec shifted = x * 1.44269504f + magic;
  vec whole = shifted - magic;
  vec y = (x - whole * 0.693145752f) - whole * 1.42860677e-6f;
  vec e = 1.0f + y * (1.0f + y * (1.0f / 2 + y * (1.0f / 6 + y * (1.0f / 24 + y * (1.0f / 120 + y * (1.0f / 720))))));
  return (vec)((ivec)e + (((ivec)shifted - 0x4B400000) << 23));
}

#define SHUFFLE __builtin_shufflevector

/* Lane q of the result is the sum of the lanes of t[q]: a transposition that adds on the way. Two vectors become one
 * whose neighbouring lanes belong to them in turn, within groups of four lanes first, then across groups. */
INLINE vec sum_each(const vec t[LANES]) {
  vec pairs[LANES / 2], fours[LANES / 4];
  EACH (i, LANES / 2) {
    vec a = t[2 * i], b = t[2 * i + 1];
#if LANES == 16
    pairs[i] = SHUFFLE(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29) +
               SHUFFLE(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
#elif LANES == 8
    pairs[i] = SHUFFLE(a, b, 0, 8, 1, 9, 4, 12, 5, 13) + SHUFFLE(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
#else
    pairs[i] = SHUFFLE(a, b, 0, 4, 1, 5) + SHUFFLE(a, b, 2, 6, 3, 7);
#endif
  }
  EACH (i, LANES / 4) {
    vec a = pairs[2 * i], b = pairs[2 * i + 1];
#if LANES == 16
    fours[i] = SHUFFLE(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
               SHUFFLE(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
#elif LANES == 8
    fours[i] = SHUFFLE(a, b, 0, 1, 8, 9, 4, 5, 12, 13) + SHUFFLE(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
#else
    fours[i] = SHUFFLE(a, b, 0, 1, 4, 5) + SHUFFLE(a, b, 2, 3, 6, 7);
#endif
  }
#if LANES == 16
  vec halves[2];
  EACH (i, 2) {
    vec a = fours[2 * i], b = fours[2 * i + 1];
    halves[i] = SHUFFLE(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
                SHUFFLE(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  }
  return SHUFFLE(halves[0], halves[1], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
         SHUFFLE(halves[0], halves[1], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
#elif LANES == 8
  return SHUFFLE(fours[0], fours[1], 0, 1, 2, 3, 8, 9, 10, 11) +
         SHUFFLE(fours[0], fours[1], 4, 5, 6, 7, 12, 13, 14, 15);
#else
  return fours[0];
#endif
}

#endif
