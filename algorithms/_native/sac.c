/* Shares of soft actor-critic's update, whole: a tanh-squashed Gaussian actor, and critics of which the least counts.

   a = tanh(u), u = mean + std noise, log std = LOW + HALF (tanh(free) + 1); mean and free are the actor's outputs. */

#include "mlp.h"
#include <stdlib.h>
#include <string.h>

#define LOW (-5.0f)
#define HALF 3.5f
#define HALF_LOG_2PI 0.91893853f
#define LOG_2 0.69314718f

struct member {
    const struct net *net;
    const struct space *space;
    const struct gradients *sums;
};

/* Room for a block of rows. */
struct room {
    float *inputs, *outputs, *slope, *action, *deviation, *bend, *by_action, *by_one, *value, *density, *ones;
    int64_t *which;
};

INLINE __m512 exponential(__m512 x)
{
    x = _mm512_min_ps(_mm512_set1_ps(88), _mm512_max_ps(_mm512_set1_ps(-87), x)); /* in this order NaN stays NaN */
    __m512 power = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT);
    __m512 r = _mm512_fnmadd_ps(power, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(power, _mm512_set1_ps(-2.12194440e-4f), r);
    const float terms[] = {1 / 720.0f, 1 / 120.0f, 1 / 24.0f, 1 / 6.0f, 0.5f, 1, 1};
    __m512 sum = _mm512_set1_ps(1 / 5040.0f);
    UNROLL for (int i = 0; i < 7; i++) sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(terms[i]));
    return _mm512_scalef_ps(sum, power);
}

INLINE __m512 tangent(__m512 x)
{
    __m512 e = exponential(_mm512_add_ps(x, x)), one = _mm512_set1_ps(1);
    return _mm512_sub_ps(one, _mm512_div_ps(_mm512_set1_ps(2), _mm512_add_ps(e, one)));
}

/* log(1 + exp(x)) = max(x, 0) + log(1 + t), t = exp(-|x|); log(1 + t) = 2 artanh(t / (2 + t)) */
INLINE __m512 softplus(__m512 x)
{
    __m512 t = exponential(_mm512_sub_ps(_mm512_setzero_ps(), _mm512_abs_ps(x)));
    __m512 s = _mm512_div_ps(t, _mm512_add_ps(t, _mm512_set1_ps(2))), square = _mm512_mul_ps(s, s);
    __m512 sum = _mm512_set1_ps(2 / 15.0f);
    const float terms[] = {2 / 13.0f, 2 / 11.0f, 2 / 9.0f, 2 / 7.0f, 2 / 5.0f, 2 / 3.0f, 2};
    UNROLL for (int i = 0; i < 7; i++) sum = _mm512_fmadd_ps(sum, square, _mm512_set1_ps(terms[i]));
    return _mm512_fmadd_ps(sum, s, _mm512_max_ps(_mm512_setzero_ps(), x));
}

/* Actions (rows, n), log densities (rows) and what `head_slope` needs, from outputs (rows, 2 n) and noise (rows, n). */
TARGET static void head(const float *noise, int64_t rows, int64_t n, const struct room *room)
{
    for (int64_t r = 0; r < rows; r++) {
        __m512 density = _mm512_setzero_ps();
        for (int64_t j = 0; j < n; j += VECTOR) {
            __mmask16 here = n - j < VECTOR ? (__mmask16)((1 << (n - j)) - 1) : 0xffff;
            int64_t at = r * n + j;
            __m512 drawn = _mm512_maskz_loadu_ps(here, noise + at);
            __m512 bent = tangent(_mm512_maskz_loadu_ps(here, room->outputs + at + (r + 1) * n));
            __m512 log_std = _mm512_fmadd_ps(_mm512_set1_ps(HALF), bent, _mm512_set1_ps(LOW + HALF));
            __m512 deviation = _mm512_mul_ps(exponential(log_std), drawn);
            __m512 u = _mm512_add_ps(_mm512_maskz_loadu_ps(here, room->outputs + at + r * n), deviation);
            __m512 bend = _mm512_mul_ps(_mm512_set1_ps(HALF), _mm512_fnmadd_ps(bent, bent, _mm512_set1_ps(1)));
            _mm512_mask_storeu_ps(room->action + at, here, tangent(u));
            _mm512_mask_storeu_ps(room->deviation + at, here, deviation);
            _mm512_mask_storeu_ps(room->bend + at, here, bend);
            /* -noise^2 / 2 - log std - log(2 pi) / 2 - 2 (log 2 - u - softplus(-2 u)) */
            __m512 folded = _mm512_add_ps(u, softplus(_mm512_mul_ps(_mm512_set1_ps(-2), u)));
            __m512 term = _mm512_fmadd_ps(_mm512_mul_ps(drawn, drawn), _mm512_set1_ps(-0.5f), _mm512_add_ps(folded, folded));
            term = _mm512_sub_ps(term, _mm512_add_ps(log_std, _mm512_set1_ps(HALF_LOG_2PI + 2 * LOG_2)));
            density = _mm512_mask_add_ps(density, here, density, term);
        }
        room->density[r] = _mm512_reduce_add_ps(density);
    }
}

/* Slopes by the actor's outputs, from those by the action times `by_value` and, the same for all rows, by the log density:
   da/du = 1 - a^2, d log pi/du = 2 a, d log pi/d log std = -1 + 2 a (std noise). */
static void head_slope(int64_t rows, int64_t n, float by_value, float by_density, const struct room *room)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < n; j++) {
            int64_t at = r * n + j;
            float action = room->action[at];
            float before = by_value * room->by_action[at] * (1 - action * action) + 2 * by_density * action;
            room->slope[at + r * n] = before;
            room->slope[at + (r + 1) * n] = (before * room->deviation[at] - by_density) * room->bend[at];
        }
}

static void *make_room(struct room *room, int64_t block, int64_t inputs, int64_t actions, int64_t critics)
{
    float **places[] = {&room->inputs, &room->outputs, &room->slope, &room->action, &room->deviation, &room->bend,
                        &room->by_action, &room->by_one, &room->value, &room->density, &room->ones};
    int64_t widths[] = {inputs, 2 * actions, 2 * actions, actions, actions, actions, actions, actions, critics, 1, 1};
    enum { COUNT = sizeof(widths) / sizeof(*widths) };
    int64_t sum = 0;
    for (int i = 0; i < COUNT; i++) sum += widths[i] * block;
    char *memory = malloc((size_t)block * sizeof(int64_t) + (size_t)sum * sizeof(float));
    if (!memory) return 0;
    room->which = (int64_t *)memory;
    float *next = (float *)(memory + (size_t)block * sizeof(int64_t));
    for (int i = 0; i < COUNT; next += widths[i++] * block) *places[i] = next;
    for (int64_t r = 0; r < block; r++) room->ones[r] = 1;
    return memory;
}

static void join(const float *left, int64_t l, const float *right, int64_t n, int64_t rows, float *to)
{
    for (int64_t r = 0; r < rows; r++, to += l + n) {
        memcpy(to, left + r * l, (size_t)l * sizeof(float));
        memcpy(to + l, right + r * n, (size_t)n * sizeof(float));
    }
}

/* Acts in `states` (rows, o) and lets all critics judge: values (critics, rows) in the room, the least in `least`. */
static void act_and_judge(const struct member *actor, const struct member *critics, int64_t count, const float *states,
                          const float *noise, int64_t rows, const struct room *room, float *least)
{
    int64_t observations = actor->net->width[0], actions = critics->net->width[0] - observations;
    forward(actor->net, states, rows, room->outputs, actor->space);
    head(noise, rows, actions, room);
    join(states, observations, room->action, actions, rows, room->inputs);
    for (int64_t k = 0; k < count; k++) {
        forward(critics[k].net, room->inputs, rows, room->value + k * rows, critics[k].space);
        for (int64_t r = 0; r < rows; r++)
            if (k == 0 || room->value[k * rows + r] < least[r]) least[r] = room->value[k * rows + r];
    }
}

/* min_k Q_k(s, a) and log pi(a|s), a sampled with `noise`, of rows `begin` to `end`; `densities` may be 0. 0 without memory. */
int sampled_values(const struct member *actor, const struct member *critics, int64_t count, const float *states,
                   const float *noise, int64_t begin, int64_t end, int64_t block, float *values, float *densities)
{
    int64_t observations = actor->net->width[0], inputs = critics->net->width[0], actions = inputs - observations;
    struct room room;
    void *memory = make_room(&room, block, inputs, actions, count);
    if (!memory) return 0;
    for (int64_t from = begin; from < end; from += block) {
        int64_t rows = end - from < block ? end - from : block;
        act_and_judge(actor, critics, count, states + from * observations, noise + from * actions, rows, &room, values + from);
        if (densities) memcpy(densities + from, room.density, (size_t)rows * sizeof(float));
    }
    free(memory);
    return 1;
}

/* Values (critics, total) of rows `begin` to `end` of `total`, and the gradient of scale / 2 times the sum of (Q - y)^2. */
int critic_gradients(const struct member *critics, int64_t count, const float *observations, const float *actions,
                     int64_t observed, const float *target, float scale, int64_t begin, int64_t end, int64_t total,
                     int64_t block, float *values)
{
    int64_t inputs = critics->net->width[0], n = inputs - observed;
    struct room room;
    void *memory = make_room(&room, block, inputs, 1, 1);
    if (!memory) return 0;
    for (int64_t from = begin; from < end; from += block) {
        int64_t rows = end - from < block ? end - from : block;
        join(observations + from * observed, observed, actions + from * n, n, rows, room.inputs);
        for (int64_t k = 0; k < count; k++) {
            float *value = values + k * total + from;
            forward(critics[k].net, room.inputs, rows, value, critics[k].space);
            for (int64_t r = 0; r < rows; r++) room.slope[r] = scale * (value[r] - target[from + r]);
            backward(critics[k].net, room.inputs, room.slope, rows, critics[k].space, critics[k].sums, from > begin);
        }
    }
    free(memory);
    return 1;
}

/* Slopes of the least value by the action: each row goes back through the critic that is its least. */
static void least_slopes(const struct member *critics, int64_t count, int64_t rows, int64_t observations, const float *least,
                         const struct room *room)
{
    int64_t actions = critics->net->width[0] - observations;
    memset(room->by_action, 0, (size_t)(rows * actions) * sizeof(float)); /* of a row without a least, as NaN has none */
    for (int64_t k = 0; k < count; k++) {
        int64_t found = 0;
        for (int64_t r = 0; r < rows; r++) {
            int64_t earlier = 0;
            while (earlier < k && room->value[earlier * rows + r] != least[r]) earlier++;
            if (earlier == k && room->value[k * rows + r] == least[r]) room->which[found++] = r;
        }
        input_slope(critics[k].net, room->which, found, observations, room->by_one, room->ones, critics[k].space);
        for (int64_t i = 0; i < found; i++)
            memcpy(room->by_action + room->which[i] * actions, room->by_one + i * actions, (size_t)actions * sizeof(float));
    }
}

/* Least values and log densities of rows `begin` to `end`, and the gradient by the actor's parameters of the sum over rows
   of by_value min_k Q_k(s, a) + by_density log pi(a|s). */
int actor_gradients(const struct member *actor, const struct member *critics, int64_t count, const float *states,
                    const float *noise, float by_value, float by_density, int64_t begin, int64_t end, int64_t block,
                    float *values, float *densities)
{
    int64_t observations = actor->net->width[0], inputs = critics->net->width[0], actions = inputs - observations;
    struct room room;
    void *memory = make_room(&room, block, inputs, actions, count);
    if (!memory) return 0;
    for (int64_t from = begin; from < end; from += block) {
        int64_t rows = end - from < block ? end - from : block;
        const float *here = states + from * observations;
        act_and_judge(actor, critics, count, here, noise + from * actions, rows, &room, values + from);
        memcpy(densities + from, room.density, (size_t)rows * sizeof(float));
        least_slopes(critics, count, rows, observations, values + from, &room);
        head_slope(rows, actions, by_value, by_density, &room);
        backward(actor->net, here, room.slope, rows, actor->space, actor->sums, from > begin);
    }
    free(memory);
    return 1;
}
