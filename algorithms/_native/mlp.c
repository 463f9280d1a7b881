/* Forward and backward passes of MLPs with ReLU between layers, for processors with AVX-512 BF16.

   Products between hidden layers take bfloat16 and sum in float32; the first and the last layer are float32. Numbers of a
   hidden layer are kept twice: by rows, (R, N), as the left side of a product; and with two rows interleaved,
   (R / 2, N, 2), as either side of a product over rows. Widths of hidden layers are multiples of 64. */

#include "mlp.h"

enum { TALL = 6, WIDE = 64, VECTORS = WIDE / VECTOR };

struct after {                               /* what becomes of a product: ReLU, or a mask where rows were active */
    const float *bias;
    const bf16 *active;
    const int64_t *which;
    bf16 *rows;
    uint32_t *pairs;
};

INLINE __m512 widened(const bf16 *from)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)from)), 16));
}

INLINE __m512i interleaved(__m256i one, __m256i two)
{
    return _mm512_or_si512(_mm512_cvtepu16_epi32(one), _mm512_slli_epi32(_mm512_cvtepu16_epi32(two), 16));
}

INLINE __m256i rounded(__m512 x)
{
    return (__m256i)_mm512_cvtneps_pbh(x);
}

/* c = a b for a tile of `tall` x 64: float32, float32 by bfloat16, or pairs of bfloat16. */
enum kind { EXACT, MIXED, PAIRS };

INLINE void tile(enum kind kind, const int tall, __m512 c[TALL][VECTORS], const void *a, int64_t a_row, int64_t a_step,
                 const void *b, int64_t b_step, int64_t steps)
{
    UNROLL for (int r = 0; r < tall; r++)
        UNROLL for (int j = 0; j < VECTORS; j++) c[r][j] = _mm512_setzero_ps();
    for (int64_t k = 0; k < steps; k++) {
        __m512 right[VECTORS];
        UNROLL for (int j = 0; j < VECTORS; j++) {
            int64_t at = k * b_step + j * VECTOR;
            right[j] = kind == MIXED ? widened((const bf16 *)b + at) : _mm512_loadu_ps((const float *)b + at);
        }
        UNROLL for (int r = 0; r < tall; r++) {
            __m512 left = _mm512_set1_ps(((const float *)a)[r * a_row + k * a_step]);
            UNROLL for (int j = 0; j < VECTORS; j++)
                c[r][j] = kind == PAIRS ? _mm512_dpbf16_ps(c[r][j], (__m512bh)left, (__m512bh)right[j])
                                        : _mm512_fmadd_ps(left, right[j], c[r][j]);
        }
    }
}

INLINE __m256i result(__m512 x, const struct after *to, int64_t row, int64_t width, int64_t column)
{
    if (to->active) {
        const bf16 *active = to->active + (to->which ? to->which[row] : row) * width + column;
        __m256i seen = _mm256_loadu_si256((const void *)active);
        return rounded(_mm512_maskz_mov_ps(_mm256_cmpgt_epi16_mask(seen, _mm256_setzero_si256()), x));
    }
    x = _mm512_add_ps(x, _mm512_loadu_ps(to->bias + column));
    return rounded(_mm512_max_ps(_mm512_setzero_ps(), x)); /* in this order NaN stays NaN */
}

INLINE void keep(const int tall, __m512 c[TALL][VECTORS], const struct after *to, int64_t row, int64_t width, int64_t column)
{
    UNROLL for (int j = 0; j < VECTORS; j++) {
        int64_t n = column + j * VECTOR;
        UNROLL for (int r = 0; r < tall; r += 2) {
            __m256i one = result(c[r][j], to, row + r, width, n), two = _mm256_setzero_si256();
            _mm256_storeu_si256((void *)(to->rows + (row + r) * width + n), one);
            if (r + 1 < tall) {
                two = result(c[r + 1][j], to, row + r + 1, width, n);
                _mm256_storeu_si256((void *)(to->rows + (row + r + 1) * width + n), two);
            }
            if (to->pairs) _mm512_storeu_si512(to->pairs + (row + r) / 2 * width + n, interleaved(one, two));
        }
    }
}

INLINE void add_tile(const int tall, __m512 c[TALL][VECTORS], float *sum, int64_t width, int add)
{
    UNROLL for (int r = 0; r < tall; r++)
        UNROLL for (int j = 0; j < VECTORS; j++) {
            float *at = sum + r * width + j * VECTOR;
            _mm512_storeu_ps(at, add ? _mm512_add_ps(c[r][j], _mm512_loadu_ps(at)) : c[r][j]);
        }
}

/* Runs `what`, which names the height of its tile `H`, with a constant of at most TALL for each tile of `rows`. */
#define TILES(row, rows, what)                                                                                         \
    for (int64_t row = 0; row < (rows); row += TALL) {                                                                 \
        switch ((rows) - row < TALL ? (rows) - row : TALL) {                                                           \
        case 1: { enum { H = 1 }; what; break; }                                                                       \
        case 2: { enum { H = 2 }; what; break; }                                                                       \
        case 3: { enum { H = 3 }; what; break; }                                                                       \
        case 4: { enum { H = 4 }; what; break; }                                                                       \
        case 5: { enum { H = 5 }; what; break; }                                                                       \
        default: { enum { H = 6 }; what; }                                                                             \
        }                                                                                                              \
    }

/* (rows, inner) bfloat16 by packed weights -> (rows, outer) */
TARGET static void product(const bf16 *a, const uint32_t *b, int64_t rows, int64_t inner, int64_t outer, const struct after *to)
{
    __m512 c[TALL][VECTORS];
    for (int64_t n = 0; n < outer; n += WIDE)
        TILES(row, rows, {
            tile(PAIRS, H, c, a + row * inner, inner / 2, 1, b + n * inner / 2, WIDE, inner / 2);
            keep(H, c, to, row, outer, n);
        })
}

/* (rows, inner) by (inner, outer), both float32 */
TARGET static void narrow_product(const float *a, const float *b, int64_t rows, int64_t inner, int64_t outer, const struct after *to)
{
    __m512 c[TALL][VECTORS];
    for (int64_t n = 0; n < outer; n += WIDE)
        TILES(row, rows, {
            tile(EXACT, H, c, a + row * inner, inner, 1, b + n, outer, inner);
            keep(H, c, to, row, outer, n);
        })
}

/* sum over rows of a' b: a in pairs (rows / 2, inner, 2), b in pairs (rows / 2, outer, 2) */
TARGET static void gradient(const uint32_t *a, const uint32_t *b, int64_t rows, int64_t inner, int64_t outer, float *sum, int add)
{
    __m512 c[TALL][VECTORS];
    for (int64_t n = 0; n < outer; n += WIDE)
        TILES(i, inner, {
            tile(PAIRS, H, c, a + i, 1, inner, b + n, outer, (rows + 1) / 2);
            add_tile(H, c, sum + i * outer + n, outer, add);
        })
}

/* the same of a (rows, inner) in float32 and b (rows, outer) in bfloat16 */
TARGET static void narrow_gradient(const float *a, const bf16 *b, int64_t rows, int64_t inner, int64_t outer, float *sum, int add)
{
    __m512 c[TALL][VECTORS];
    for (int64_t n = 0; n < outer; n += WIDE)
        TILES(i, inner, {
            tile(MIXED, H, c, a + i, 1, inner, b + n, outer, rows);
            add_tile(H, c, sum + i * outer + n, outer, add);
        })
}

TARGET static void sum_rows(const bf16 *from, int64_t rows, int64_t width, float *sum, int add)
{
    for (int64_t n = 0; n < width; n += VECTOR) {
        __m512 total = add ? _mm512_loadu_ps(sum + n) : _mm512_setzero_ps();
        for (int64_t r = 0; r < rows; r++) total = _mm512_add_ps(total, widened(from + r * width + n));
        _mm512_storeu_ps(sum + n, total);
    }
}

/* to (rows, count) = from (rows, width) by weight' (count, width) + bias */
TARGET static void dots(const bf16 *from, const float *weight, const float *bias, int64_t rows, int64_t width, int64_t count, float *to)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t m = 0; m < count; m++) {
            __m512 total = _mm512_setzero_ps();
            for (int64_t n = 0; n < width; n += VECTOR)
                total = _mm512_fmadd_ps(widened(from + r * width + n), _mm512_loadu_ps(weight + m * width + n), total);
            to[r * count + m] = _mm512_reduce_add_ps(total) + (bias ? bias[m] : 0);
        }
}

/* Float32 weights (inner, outer) as `product` takes them: strips of 64 columns, two rows interleaved. */
TARGET static void pack(const float *from, int64_t inner, int64_t outer, uint32_t *to)
{
    for (int64_t n = 0; n < outer; n += VECTOR) {
        uint32_t *strip = to + n / WIDE * (inner / 2) * WIDE + n % WIDE;
        for (int64_t k = 0; k < inner; k += 2) {
            __m256i one = rounded(_mm512_loadu_ps(from + k * outer + n));
            __m256i two = rounded(_mm512_loadu_ps(from + (k + 1) * outer + n));
            _mm512_storeu_si512(strip + k / 2 * WIDE, interleaved(one, two));
        }
    }
}

/* The same of weights that are given as (outer, inner). */
TARGET static void pack_transposed(const float *from, int64_t inner, int64_t outer, uint32_t *to)
{
    const __m512i step = _mm512_setr_epi32(0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120);
    uint32_t block[VECTOR][VECTOR / 2];
    for (int64_t n = 0; n < outer; n += VECTOR) {
        uint32_t *strip = to + n / WIDE * (inner / 2) * WIDE + n % WIDE;
        for (int64_t k = 0; k < inner; k += VECTOR) {
            UNROLL for (int i = 0; i < VECTOR; i++)
                _mm256_storeu_si256((void *)block[i], rounded(_mm512_loadu_ps(from + (n + i) * inner + k)));
            UNROLL for (int i = 0; i < VECTOR / 2; i++)
                _mm512_storeu_si512(strip + (k / 2 + i) * WIDE, _mm512_i32gather_epi32(step, block[0] + i, 4));
        }
    }
}

static void copy(float *to, const float *from, int64_t rows, int64_t columns, int64_t transposed)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) to[i * columns + j] = transposed ? from[j * rows + i] : from[i * columns + j];
}

/* Brings `net` up to date with its layers' weights (in, out), or (out, in) where these are `transposed`. */
void refresh(const struct net *net, const float *const *weight, const float *const *bias, int64_t transposed)
{
    const int64_t *width = net->width, last = net->layers - 1;
    copy(net->first, weight[0], width[0], width[1], transposed);
    copy(net->last, weight[last], width[last + 1], width[last], !transposed);
    for (int64_t i = 0; i <= last; i++) copy(net->bias[i], bias[i], 1, width[i + 1], 0);
    for (int64_t i = 1; i < last; i++) {
        (transposed ? pack_transposed : pack)(weight[i], width[i], width[i + 1], net->ahead[i]);
        if (net->back[i]) (transposed ? pack : pack_transposed)(weight[i], width[i + 1], width[i], net->back[i]);
    }
}

/* Outputs (rows, out) for inputs (rows, in). */
void forward(const struct net *net, const float *inputs, int64_t rows, float *outputs, const struct space *space)
{
    const int64_t *width = net->width, last = net->layers - 1;
    struct after to = {.bias = net->bias[0], .rows = space->rows[0], .pairs = last > 1 ? space->pairs[0] : 0};
    narrow_product(inputs, net->first, rows, width[0], width[1], &to);
    for (int64_t i = 1; i < last; i++) {
        struct after next = {.bias = net->bias[i], .rows = space->rows[i], .pairs = i < last - 1 ? space->pairs[i] : 0};
        product(space->rows[i - 1], net->ahead[i], rows, width[i], width[i + 1], &next);
    }
    dots(space->rows[last - 1], net->last, net->bias[last], rows, width[last], width[last + 1], outputs);
}

/* Gradients of all parameters from that by the outputs (rows, out), after `forward`. */
void backward(const struct net *net, const float *inputs, const float *slope, int64_t rows, const struct space *space,
              const struct gradients *sums, int64_t add)
{
    const int64_t *width = net->width, last = net->layers - 1, outputs = width[last + 1];
    narrow_gradient(slope, space->rows[last - 1], rows, outputs, width[last], sums->weight[last], add);
    for (int64_t m = 0; m < outputs; m++) {
        float total = add ? sums->bias[last][m] : 0;
        for (int64_t r = 0; r < rows; r++) total += slope[r * outputs + m];
        sums->bias[last][m] = total;
    }
    struct after to = {.active = space->rows[last - 1], .rows = space->slope_rows[last - 1], .pairs = space->slope_pairs[last - 1]};
    narrow_product(slope, net->last, rows, outputs, width[last], &to);
    for (int64_t i = last - 1; i > 0; i--) {
        gradient(space->pairs[i - 1], space->slope_pairs[i], rows, width[i], width[i + 1], sums->weight[i], add);
        sum_rows(space->slope_rows[i], rows, width[i + 1], sums->bias[i], add);
        struct after next = {.active = space->rows[i - 1], .rows = space->slope_rows[i - 1], .pairs = i > 1 ? space->slope_pairs[i - 1] : 0};
        product(space->slope_rows[i], net->back[i], rows, width[i + 1], width[i], &next);
    }
    narrow_gradient(inputs, space->slope_rows[0], rows, width[0], width[1], sums->weight[0], add);
    sum_rows(space->slope_rows[0], rows, width[1], sums->bias[0], add);
}

/* Gradients (count, inputs - begin) of the only output by the inputs from number `begin` on, in rows `which`. */
void input_slope(const struct net *net, const int64_t *which, int64_t count, int64_t begin, float *slope,
                 const float *ones, const struct space *space)
{
    const int64_t *width = net->width, last = net->layers - 1;
    struct after to = {.active = space->rows[last - 1], .which = which, .rows = space->slope_rows[last - 1]};
    narrow_product(ones, net->last, count, 1, width[last], &to);
    for (int64_t i = last - 1; i > 0; i--) {
        struct after next = {.active = space->rows[i - 1], .which = which, .rows = space->slope_rows[i - 1]};
        product(space->slope_rows[i], net->back[i], count, width[i + 1], width[i], &next);
    }
    dots(space->slope_rows[0], net->first + begin * width[1], 0, count, width[1], width[0] - begin, slope);
}

int supported(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512bf16");
}
