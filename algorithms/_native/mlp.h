#ifndef MLP_H
#define MLP_H

#include <immintrin.h>
#include <stdint.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define UNROLL _Pragma("GCC unroll 8")

typedef uint16_t bf16;
enum { VECTOR = 16, DEEPEST = 8 };

struct net {
    int64_t layers, width[DEEPEST + 1];
    float *first, *last;                     /* (inputs, N), (outputs, N) */
    float *bias[DEEPEST];
    uint32_t *ahead[DEEPEST];                /* packed weights of layers 1 .. layers - 2, and the same transposed or 0 */
    uint32_t *back[DEEPEST];
};

struct space {                               /* of hidden layer 0 .. layers - 2 */
    bf16 *rows[DEEPEST];
    uint32_t *pairs[DEEPEST];
    bf16 *slope_rows[DEEPEST];
    uint32_t *slope_pairs[DEEPEST];
};

struct gradients {
    float *weight[DEEPEST];                  /* (in, out), but (outputs, N) of the last */
    float *bias[DEEPEST];
};

void forward(const struct net *, const float *inputs, int64_t rows, float *outputs, const struct space *);
void backward(const struct net *, const float *inputs, const float *slope, int64_t rows, const struct space *,
              const struct gradients *, int64_t add);
void input_slope(const struct net *, const int64_t *which, int64_t count, int64_t begin, float *slope, const float *ones,
                 const struct space *);

#endif
