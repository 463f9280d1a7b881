/* What `lookup.py` computes, for many simulations in one call; the legend is there. */

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct box {
    double x0, x1, y0, y1, top0, top1;
};

struct capsule {
    double from[3], to[3], radius;
};

static double slope(const struct box *b) { return (b->top1 - b->top0) / (b->x1 - b->x0); }

static double gap(double low, double high, double at) { return fmax(fmax(low - at, at - high), 0); }

/* The boxes that a rectangle meets: how many, copied to `near`. */
static int64_t meeting(const struct box *boxes, int64_t count, const double low[2], const double high[2], struct box *near)
{
    int64_t found = 0;
    for (int64_t i = 0; i < count; i++)
        if (boxes[i].x0 <= high[0] && boxes[i].x1 >= low[0] && boxes[i].y0 <= high[1] && boxes[i].y1 >= low[1])
            near[found++] = boxes[i];
    return found;
}

static void extend(double low[2], double high[2], double x, double y)
{
    low[0] = fmin(low[0], x), high[0] = fmax(high[0], x);
    low[1] = fmin(low[1], y), high[1] = fmax(high[1], y);
}

/* found: (N, K), filled with empty boxes. */
void terrain_nearest(int64_t sims, int64_t most, const struct box *boxes, const int64_t *sizes, int64_t amount,
                     const double *places, struct box *found)
{
    double away[amount];
    for (int64_t n = 0; n < sims; n++, found += amount) {
        int64_t kept = 0;
        for (int64_t i = 0; i < sizes[n]; i++) {
            const struct box *b = boxes + n * most + i;
            double x = gap(b->x0, b->x1, places[2 * n]), y = gap(b->y0, b->y1, places[2 * n + 1]), square = x * x + y * y;
            if (kept == amount && square >= away[amount - 1]) continue;
            int64_t at = kept < amount ? kept++ : amount - 1;
            for (; at > 0 && away[at - 1] > square; at--) away[at] = away[at - 1], found[at] = found[at - 1];
            away[at] = square, found[at] = *b;
        }
    }
}

void terrain_heights(int64_t sims, int64_t most, const struct box *boxes, const int64_t *sizes, int64_t points,
                     const double *places, double *heights)
{
    struct box near[most];
    for (int64_t n = 0; n < sims; n++, places += 2 * points, heights += points) {
        double low[2] = {DBL_MAX, DBL_MAX}, high[2] = {-DBL_MAX, -DBL_MAX};
        for (int64_t p = 0; p < points; p++) extend(low, high, places[2 * p], places[2 * p + 1]);
        int64_t count = meeting(boxes + n * most, sizes[n], low, high, near);
        memset(heights, 0, points * sizeof *heights);
        for (int64_t i = 0; i < count; i++) {
            const struct box b = near[i];
            double rise = slope(&b);
            for (int64_t p = 0; p < points; p++) {
                double x = places[2 * p], y = places[2 * p + 1], top = b.top0 + rise * (x - b.x0);
                if (x >= b.x0 && x < b.x1 && y >= b.y0 && y < b.y1 && top > heights[p]) heights[p] = top;
            }
        }
    }
}

static double dot(const double *a, const double *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

static double first_root(double a, double b, double c)
{
    double inner = b * b - a * c;
    if (inner < 0 || a <= 0) return INFINITY;
    double t = (-b - sqrt(inner)) / a;
    return t >= 0 ? t : INFINITY;
}

static int holds(const struct capsule *c, const double *origin)
{
    double axis[3], from[3], away[3];
    for (int i = 0; i < 3; i++) axis[i] = c->to[i] - c->from[i], from[i] = origin[i] - c->from[i];
    double length = dot(axis, axis), share = length > 0 ? fmin(fmax(dot(from, axis) / length, 0), 1) : 0;
    for (int i = 0; i < 3; i++) away[i] = from[i] - share * axis[i];
    return dot(away, away) < c->radius * c->radius;
}

/* Shorten the rays (3, R) to where they meet a capsule. */
static void capsule_rays(const struct capsule *c, const double *origin, int64_t rays, const double *directions, double *found)
{
    double axis[3], from[3], end[3], middle[3], r2 = c->radius * c->radius;
    for (int i = 0; i < 3; i++) {
        axis[i] = c->to[i] - c->from[i], from[i] = origin[i] - c->from[i], end[i] = origin[i] - c->to[i];
        middle[i] = -(from[i] + end[i]) / 2;
    }
    double length = dot(axis, axis), at = dot(from, axis), bound = sqrt(length) / 2 + c->radius;
    double cylinder = (dot(from, from) - r2) * length - at * at, ball0 = dot(from, from) - r2, ball1 = dot(end, end) - r2;
    double away = dot(middle, middle) - bound * bound;
    for (int64_t r = 0; r < rays; r++) {
        const double d[3] = {directions[r], directions[rays + r], directions[2 * rays + r]};
        double square = dot(d, d), toward = dot(d, middle);
        if (away > 0 && (toward < 0 || toward * toward < away * square)) continue; /* It misses the ball around. */
        double along = dot(d, axis), across = dot(d, from);
        double t = first_root(square * length - along * along, across * length - at * along, cylinder);
        double share = t < INFINITY ? at + t * along : -1;
        if (!(share > 0 && share < length)) t = fmin(first_root(square, across, ball0), first_root(square, dot(d, end), ball1));
        found[r] = fmin(found[r], t);
    }
}

/* Shorten the rays to where they enter a column: five half spaces, offset + rate t <= 0. */
static void box_rays(const struct box *b, const double *origin, int64_t rays, const double *restrict dx,
                     const double *restrict dz, const double *restrict ix, const double *restrict iy,
                     double *restrict found)
{
    double x0 = b->x0 - origin[0], x1 = b->x1 - origin[0], y0 = b->y0 - origin[1], y1 = b->y1 - origin[1];
    double rise = slope(b), above = origin[2] - b->top0 + rise * x0;
    for (int64_t r = 0; r < rays; r++) {
        double a = x0 * ix[r], c = x1 * ix[r], e = y0 * iy[r], f = y1 * iy[r], rate = dz[r] - rise * dx[r];
        double enter = a < c ? a : c, leave = a < c ? c : a, low = e < f ? e : f, high = e < f ? f : e;
        enter = low > enter ? low : enter, leave = high < leave ? high : leave;
        double t = -above / (rate == 0 ? (above > 0 ? -1e-30 : 1e-30) : rate);
        enter = rate < 0 || (rate == 0 && above > 0) ? (t > enter ? t : enter) : enter;
        leave = rate > 0 ? (t < leave ? t : leave) : leave;
        enter = enter > 0 ? enter : 0;
        found[r] = enter <= leave && enter < found[r] ? enter : found[r];
    }
}

static double inverse(double rate) { return 1 / (fabs(rate) < 1e-30 ? 1e-30 : rate); }

/* Returns 0, or -1 where there was no memory. */
int terrain_rays(int64_t sims, int64_t most, const struct box *boxes, const int64_t *sizes, int64_t count, const double *origins,
                 const double *rotations, const double *rays, int64_t capsules, const struct capsule *body, double farthest,
                 double *found)
{
    struct box near[most];
    double *all = malloc(5 * count * sizeof *all), *dx = all, *dy = dx + count, *dz = dy + count, *ix = dz + count,
           *iy = ix + count;
    if (!all) return -1;
    for (int64_t n = 0; n < sims; n++, found += count, body += capsules) {
        const double *o = origins + 3 * n, *m = rotations + 9 * n;
        double low[2] = {o[0], o[1]}, high[2] = {o[0], o[1]};
        for (int64_t r = 0; r < count; r++) {
            const double *ray = rays + 3 * r;
            dx[r] = dot(m, ray), dy[r] = dot(m + 3, ray), dz[r] = dot(m + 6, ray);
            ix[r] = inverse(dx[r]), iy[r] = inverse(dy[r]);
            found[r] = dz[r] < 0 ? fmin(farthest, fmax(-o[2] / dz[r], 0)) : farthest;
            extend(low, high, o[0] + farthest * dx[r], o[1] + farthest * dy[r]);
        }
        int64_t nearby = meeting(boxes + n * most, sizes[n], low, high, near);
        for (int64_t i = 0; i < nearby; i++) box_rays(near + i, o, count, dx, dz, ix, iy, found);
        for (int64_t i = 0; i < capsules; i++)
            if (!holds(body + i, o)) capsule_rays(body + i, o, count, all, found);
    }
    free(all);
    return 0;
}

/* SplitMix64 as in `noise.py`: the begin of a row of numbers, and of those the one with an index. */
static uint64_t row_of(int64_t key, int64_t count, uint64_t stream)
{
    return (uint64_t)key + (uint64_t)count * 0x8CB92BA72F3D8DD7u + stream * 0xD1B54A32D192ED03u;
}

static double normal(uint64_t row, uint64_t index)
{
    uint64_t word = row + (index + 1) * 0x9E3779B97F4A7C15u;
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9u;
    word = (word ^ (word >> 27)) * 0x94D049BB133111EBu;
    word ^= word >> 31;
    uint64_t sum = (word & 65535) + (word >> 16 & 65535) + (word >> 32 & 65535) + (word >> 48);
    return ((double)sum / 65535.0 - 2.0) * sqrt(3.0);
}

static int64_t moved(int64_t at, double by, int64_t size)
{
    int64_t to = at + (int64_t)rint(by);
    return to < 0 ? 0 : to >= size ? size - 1 : to;
}

/* streams: of errors, of rows, of columns. */
void terrain_wrong_depth(int64_t sims, int64_t height, int64_t width, const int64_t *keys, const int64_t *counts,
                         const int64_t *streams, double deviation, double pixels, double farthest, const double *depth,
                         double *found)
{
    for (int64_t n = 0; n < sims; n++, depth += height * width, found += height * width) {
        uint64_t errors = row_of(keys[n], counts[n], streams[0]), ups = row_of(keys[n], counts[n], streams[1]),
                 asides = row_of(keys[n], counts[n], streams[2]);
        for (int64_t i = 0; i < height * width; i++) {
            int64_t row = moved(i / width, pixels * normal(ups, i), height);
            double seen = depth[row * width + moved(i % width, pixels * normal(asides, i), width)];
            found[i] = seen < farthest ? fmin(fmax(seen + deviation * normal(errors, i), 0), farthest) : farthest;
        }
    }
}
