/* One minibatch of PPO in float32: two MLPs forward, the loss of a Gaussian policy, backward, a step of Adam.

   Written with vectors of 16 that the compiler splits where the processor has narrower ones. Matrices of layers have rows
   of a multiple of 16 numbers, those beyond the layer's width being 0. Rows are taken in blocks, which stay in the caches. */

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef float vec __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(64), aligned(4), may_alias));
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 8")

enum { LANES = 16, TALL = 8, DEEPEST = 8, BLOCK = 256 };
enum { POLICY_LOSS, VALUE_LOSS, ENTROPY, DIVERGENCE, CLIPPED, TOLD };

struct adam {                                /* of one parameter: itself, its two moments */
    float *value, *mean, *square;
};

struct layer {
    int64_t in, out, in_row, out_row;        /* widths, and numbers of a row */
    struct adam weight, bias;                /* (out, in), (out,) */
    float *ahead, *back;                     /* weights as products take them: (in, out_row), (out, in_row) */
    float *weight_slope, *bias_slope;        /* (out, in_row), (out_row,) */
    float *output, *slope;                   /* (BLOCK, out_row) */
};

struct net {
    int64_t layers;
    struct layer layer[DEEPEST];
};

struct update {
    struct net policy, value;
    struct adam log_std;                     /* (A,) */
    int64_t observations, actions, tanh;     /* tanh, or else ReLU, after hidden layers */
    float clip, value_weight, entropy_weight, most_norm, rate, beta1, beta2, epsilon;
    const float *given, *choice, *log_probability, *advantage, *target; /* (R, O), (R, A), (R,), (R,), (R,) */
    float *inputs;                           /* (BLOCK, in_row) */
};

INLINE vec all(float x)
{
    return x - (vec){0};
}

/* Those of `yes` where `mask` is set, of `no` elsewhere. */
INLINE vec chosen(ivec mask, vec yes, vec no)
{
    return (vec)((mask & (ivec)yes) | (~mask & (ivec)no));
}

/* e^x for |x| < 87, to about 1 unit in the last place: x = n log 2 + r, e^x = 2^n e^r. NaN stays NaN. */
INLINE vec exponential(vec x)
{
    vec n = x * 1.44269504f + 12582912.0f - 12582912.0f;
    vec r = x - n * 0.693359375f + n * 2.12194440e-4f;
    vec p = all(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return p * (vec)((__builtin_convertvector(n, ivec) + 127) << 23);
}

INLINE vec hyperbolic_tangent(vec x)
{
    vec least = chosen(x < -9.0f, all(-9.0f), x), y = chosen(least > 9.0f, all(9.0f), least);
    vec square = y * y, near = y - y * square * (1.0f / 3.0f) + y * square * square * (2.0f / 15.0f);
    vec far = 1.0f - 2.0f / (exponential(2.0f * y) + 1.0f);
    return chosen(square < 1e-3f, near, far);
}

INLINE vec rectified(vec x)
{
    return chosen(x < 0.0f, all(0.0f), x);
}

/* A tile of c (+)= a b: `tall` rows, `wide` vectors; b has rows of `b_row`. */
INLINE void tile(const int tall, const int wide, const float *a, int64_t a_row, int64_t a_step, const float *b,
                 int64_t b_row, int64_t steps, float *c, int64_t c_row, int add)
{
    vec sum[TALL][2];
    UNROLL for (int r = 0; r < tall; r++)
        UNROLL for (int j = 0; j < wide; j++) sum[r][j] = add ? *(const vec *)(c + r * c_row + j * LANES) : all(0);
    for (int64_t k = 0; k < steps; k++) {
        vec right[2];
        UNROLL for (int j = 0; j < wide; j++) right[j] = *(const vec *)(b + k * b_row + j * LANES);
        UNROLL for (int r = 0; r < tall; r++) {
            vec left = all(a[r * a_row + k * a_step]);
            UNROLL for (int j = 0; j < wide; j++) sum[r][j] += left * right[j];
        }
    }
    UNROLL for (int r = 0; r < tall; r++)
        UNROLL for (int j = 0; j < wide; j++) *(vec *)(c + r * c_row + j * LANES) = sum[r][j];
}

#define TILES(wide)                                                                                                    \
    switch (rows - m < TALL ? rows - m : TALL) {                                                                       \
    case 1: tile(1, wide, from, a_row, a_step, b + n, b_row, steps, to, c_row, add); break;                            \
    case 2: tile(2, wide, from, a_row, a_step, b + n, b_row, steps, to, c_row, add); break;                            \
    case 3: tile(3, wide, from, a_row, a_step, b + n, b_row, steps, to, c_row, add); break;                            \
    case 4: tile(4, wide, from, a_row, a_step, b + n, b_row, steps, to, c_row, add); break;                            \
    case 5: tile(5, wide, from, a_row, a_step, b + n, b_row, steps, to, c_row, add); break;                            \
    case 6: tile(6, wide, from, a_row, a_step, b + n, b_row, steps, to, c_row, add); break;                            \
    case 7: tile(7, wide, from, a_row, a_step, b + n, b_row, steps, to, c_row, add); break;                            \
    default: tile(8, wide, from, a_row, a_step, b + n, b_row, steps, to, c_row, add);                                  \
    }

/* c (rows, columns) (+)= a (rows, steps) b (steps, columns); `columns` is a multiple of 16. */
static void product(const float *a, int64_t a_row, int64_t a_step, const float *b, int64_t b_row, int64_t rows,
                    int64_t columns, int64_t steps, float *c, int64_t c_row, int add)
{
    for (int64_t n = 0; n < columns; n += 2 * LANES)
        for (int64_t m = 0; m < rows; m += TALL) {
            const float *from = a + m * a_row;
            float *to = c + m * c_row + n;
            if (n + 2 * LANES <= columns) { TILES(2) }
            else { TILES(1) }
        }
}

/* Brings the copies of a layer's weights up to date, 16 rows of the transposed at a time. */
static void refresh(struct layer *l)
{
    for (int64_t o = 0; o < l->out; o++) memcpy(l->back + o * l->in_row, l->weight.value + o * l->in, l->in * sizeof(float));
    for (int64_t first = 0; first < l->out; first += LANES) {
        int64_t last = first + LANES < l->out ? first + LANES : l->out;
        for (int64_t i = 0; i < l->in; i++)
            for (int64_t o = first; o < last; o++) l->ahead[i * l->out_row + o] = l->weight.value[o * l->in + i];
    }
}

/* Outputs of all layers for inputs (rows, in_row). */
static void forward(struct net *net, const float *inputs, int64_t rows, int64_t tanh)
{
    for (int64_t i = 0; i < net->layers; i++) {
        struct layer *l = net->layer + i;
        product(inputs, l->in_row, 1, l->ahead, l->out_row, rows, l->out_row, l->in, l->output, l->out_row, 0);
        for (int64_t r = 0; r < rows; r++) {
            float *row = l->output + r * l->out_row;
            for (int64_t o = 0; o < l->out; o++) row[o] += l->bias.value[o];
            if (i < net->layers - 1)
                for (int64_t o = 0; o < l->out_row; o += LANES) {
                    vec *x = (vec *)(row + o);
                    *x = tanh ? hyperbolic_tangent(*x) : rectified(*x);
                }
        }
        inputs = l->output;
    }
}

/* The slope before the activation, of that after it. */
static void through(const struct layer *l, int64_t rows, int64_t tanh)
{
    for (int64_t i = 0; i < rows * l->out_row; i += LANES) {
        vec y = *(const vec *)(l->output + i), *slope = (vec *)(l->slope + i);
        if (tanh) *slope = *slope * (1.0f - y * y);
        else *slope = chosen(y > 0.0f, *slope, all(0.0f));
    }
}

/* Adds the gradients of all parameters, from the slope of the last layer's output. */
static void backward(struct net *net, const float *inputs, int64_t rows, int64_t tanh)
{
    for (int64_t i = net->layers - 1; i >= 0; i--) {
        struct layer *l = net->layer + i;
        const float *below = i ? l[-1].output : inputs;
        product(l->slope, 1, l->out_row, below, l->in_row, l->out, l->in_row, rows, l->weight_slope, l->in_row, 1);
        for (int64_t r = 0; r < rows; r++)
            for (int64_t o = 0; o < l->out_row; o += LANES)
                *(vec *)(l->bias_slope + o) += *(const vec *)(l->slope + r * l->out_row + o);
        if (i) {
            product(l->slope, l->out_row, 1, l->back, l->in_row, rows, l->in_row, l->out, l[-1].slope, l->in_row, 0);
            through(l - 1, rows, tanh);
        }
    }
}

/* Slopes of the loss by means, values and log deviations, of one block of rows; adds to what is told. */
static void slopes(struct update *u, const int64_t *which, int64_t rows, float count, float center, float scale,
                   float log_scale, float *by_log_std, double *told)
{
    struct layer *policy = u->policy.layer + u->policy.layers - 1, *value = u->value.layer + u->value.layers - 1;
    memset(policy->slope, 0, rows * policy->out_row * sizeof(float));
    memset(value->slope, 0, rows * value->out_row * sizeof(float));
    for (int64_t r = 0; r < rows; r++) {
        const float *mean = policy->output + r * policy->out_row, *choice = u->choice + which[r] * u->actions;
        float squares = 0, scaled[u->actions], *slope = policy->slope + r * policy->out_row;
        for (int64_t a = 0; a < u->actions; a++) {
            scaled[a] = (choice[a] - mean[a]) * expf(-u->log_std.value[a]);
            squares += scaled[a] * scaled[a];
        }
        float log_ratio = -0.5f * squares - log_scale - u->log_probability[which[r]], ratio = expf(log_ratio);
        float advantage = (u->advantage[which[r]] - center) * scale;
        float least = ratio < 1 - u->clip ? 1 - u->clip : ratio, bounded = least > 1 + u->clip ? 1 + u->clip : least;
        int moves = !(bounded * advantage < ratio * advantage);
        float gain = moves ? ratio * advantage : bounded * advantage, by_log = moves ? -ratio * advantage / count : 0;
        for (int64_t a = 0; a < u->actions; a++) {
            slope[a] = by_log * scaled[a] * expf(-u->log_std.value[a]);
            by_log_std[a] += by_log * (scaled[a] * scaled[a] - 1);
        }
        float error = value->output[r * value->out_row] - u->target[which[r]];
        value->slope[r * value->out_row] = u->value_weight * error / count;
        told[POLICY_LOSS] -= gain / count;
        told[VALUE_LOSS] += 0.5 * error * error / count;
        told[DIVERGENCE] += (ratio - 1 - log_ratio) / count;
        told[CLIPPED] += (fabsf(ratio - 1) > u->clip) / count;
    }
}

static double square_sum(const float *x, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += (double)x[i] * x[i];
    return sum;
}

/* One step of Adam (Kingma and Ba 2014, algorithm 1) with gradients times `scale`; `step` counts from 1. */
static void descend(const struct update *u, struct adam p, const float *slope, int64_t count, float scale, double step)
{
    float rate = u->rate / (1 - pow(u->beta1, step)), root = 1 / sqrt(1 - pow(u->beta2, step));
    for (int64_t i = 0; i < count; i++) {
        float g = slope[i] * scale;
        p.mean[i] += (1 - u->beta1) * (g - p.mean[i]);
        p.square[i] = u->beta2 * p.square[i] + (1 - u->beta2) * g * g;
        p.value[i] -= rate * p.mean[i] / (sqrtf(p.square[i]) * root + u->epsilon);
    }
}

static struct adam from(struct adam p, int64_t offset)
{
    return (struct adam){p.value + offset, p.mean + offset, p.square + offset};
}

/* Calls `what` with a layer `l` for all layers of both networks. */
#define LAYERS(what)                                                                                                   \
    for (struct net *net = &u->policy; net; net = net == &u->policy ? &u->value : 0)                                   \
        for (struct layer *l = net->layer; l < net->layer + net->layers; l++) { what; }

/* Learns from the rows `which` (count,); `told` (TOLD,) is what became of them, before the step. */
void minibatch(struct update *u, const int64_t *which, int64_t count, double step, float *told)
{
    double sums[TOLD] = {0}, mean = 0, variance = 0, norm = 0;
    float by_log_std[u->actions], log_scale = 0.918938533f * u->actions;
    for (int64_t i = 0; i < count; i++) mean += u->advantage[which[i]] / (double)count;
    for (int64_t i = 0; i < count; i++) variance += pow(u->advantage[which[i]] - mean, 2) / count;
    for (int64_t a = 0; a < u->actions; a++) log_scale += u->log_std.value[a], by_log_std[a] = -u->entropy_weight;
    LAYERS(refresh(l); memset(l->weight_slope, 0, l->out * l->in_row * sizeof(float));
           memset(l->bias_slope, 0, l->out_row * sizeof(float)))
    for (int64_t begin = 0; begin < count; begin += BLOCK) {
        int64_t rows = count - begin < BLOCK ? count - begin : BLOCK, row = u->policy.layer[0].in_row;
        for (int64_t r = 0; r < rows; r++)
            memcpy(u->inputs + r * row, u->given + which[begin + r] * u->observations, u->observations * sizeof(float));
        forward(&u->policy, u->inputs, rows, u->tanh);
        forward(&u->value, u->inputs, rows, u->tanh);
        slopes(u, which + begin, rows, count, mean, 1 / (sqrt(variance) + 1e-8), log_scale, by_log_std, sums);
        backward(&u->policy, u->inputs, rows, u->tanh);
        backward(&u->value, u->inputs, rows, u->tanh);
    }
    LAYERS(norm += square_sum(l->weight_slope, l->out * l->in_row) + square_sum(l->bias_slope, l->out))
    norm = sqrt(norm + square_sum(by_log_std, u->actions));
    float scale = u->most_norm < norm + 1e-6 ? u->most_norm / (norm + 1e-6) : norm - norm + 1;
    LAYERS(for (int64_t o = 0; o < l->out; o++)
               descend(u, from(l->weight, o * l->in), l->weight_slope + o * l->in_row, l->in, scale, step);
           descend(u, l->bias, l->bias_slope, l->out, scale, step))
    descend(u, u->log_std, by_log_std, u->actions, scale, step);
    sums[ENTROPY] = log_scale + 0.5 * u->actions;
    for (int i = 0; i < TOLD; i++) told[i] = sums[i];
}
