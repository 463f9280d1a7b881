#include <stdint.h>
#include <string.h>

/* Programmes min |x|^2, lower <= rows x + offset <= upper, by the dual method of Goldfarb and Idnani (Mathematical
   Programming 27, 1983): limits are added one by one, the furthest exceeded first, and every x on the way is the shortest
   one that keeps to those that are held. Include `solve.h` first. */

enum { MOST_UNKNOWNS = 20, ROUNDS = 200 };

struct limited {
    int limits, unknowns;
    const double *rows, *offset, *upper, *lower;
};

/* x, and which limits are held, each with its sign (1 upper, -1 lower) and its pressure, which is not negative. */
struct held {
    int size, limit[MOST_UNKNOWNS], sign[MOST_UNKNOWNS];
    double pressure[MOST_UNKNOWNS], x[MOST_UNKNOWNS];
};

static const double *row(const struct limited *p, int limit)
{
    return p->rows + limit * p->unknowns;
}

static double dot_of(const double *a, const double *b, int size)
{
    double sum = 0;
    for (int k = 0; k < size; k++) sum += a[k] * b[k];
    return sum;
}

/* Weights w with which the held rows, each times its sign, have the products `right` with their sum: N N' w = right. */
static void combine(const struct limited *p, const struct held *h, double *right)
{
    double products[MOST_UNKNOWNS * MOST_UNKNOWNS];
    for (int i = 0; i < h->size; i++)
        for (int j = 0; j < h->size; j++)
            products[i * h->size + j] =
                h->sign[i] * h->sign[j] * dot_of(row(p, h->limit[i]), row(p, h->limit[j]), p->unknowns);
    solve(products, right, h->size, 1);
}

static void let_go(struct held *h, int i)
{
    h->size--;
    h->limit[i] = h->limit[h->size], h->sign[i] = h->sign[h->size], h->pressure[i] = h->pressure[h->size];
}

/* Begin with limits that are thought to be active: those that would pull are let go until none does. */
static void begin(const struct limited *p, const int8_t *active, struct held *h)
{
    h->size = 0;
    for (int i = 0; i < p->limits; i++)
        if (active[i] && h->size < p->unknowns) h->limit[h->size] = i, h->sign[h->size++] = active[i];
    for (int worst = 0; worst >= 0;) {
        for (int i = 0; i < h->size; i++) {
            double bound = (h->sign[i] > 0 ? p->upper : p->lower)[h->limit[i]] - p->offset[h->limit[i]];
            h->pressure[i] = -h->sign[i] * bound;
        }
        combine(p, h, h->pressure);
        worst = -1;
        for (int i = 0; i < h->size; i++) {
            if (!isfinite(h->pressure[i])) h->size = 0;
            else if (h->pressure[i] < 0 && (worst < 0 || h->pressure[i] < h->pressure[worst])) worst = i;
        }
        if (worst >= 0 && h->size) let_go(h, worst);
    }
    memset(h->x, 0, sizeof h->x);
    for (int i = 0; i < h->size; i++)
        for (int k = 0; k < p->unknowns; k++) h->x[k] -= h->pressure[i] * h->sign[i] * row(p, h->limit[i])[k];
}

/* By how much `limit` is exceeded at x on the side of `sign`. */
static double beyond(const struct limited *p, const double *x, int limit, int sign)
{
    double value = p->offset[limit] + dot_of(row(p, limit), x, p->unknowns);
    return sign > 0 ? value - p->upper[limit] : p->lower[limit] - value;
}

/* The limit that is furthest exceeded, by more than `exact`, and on which side; -1 if none is. */
static int furthest(const struct limited *p, const double *x, double exact, int *sign)
{
    int found = -1;
    for (int i = 0; i < p->limits; i++)
        for (int side = -1; side <= 1; side += 2) {
            double by = beyond(p, x, i, side);
            if (by > exact) exact = by, found = i, *sign = side;
        }
    return found;
}

/* Hold one more limit, letting others go that would pull; return whether that is possible. */
static int add(const struct limited *p, struct held *h, int limit, int sign)
{
    const double *own = row(p, limit);
    double length = dot_of(own, own, p->unknowns), pressure = 0;
    while (h->size <= p->unknowns) {
        double shares[MOST_UNKNOWNS], way[MOST_UNKNOWNS];
        for (int i = 0; i < h->size; i++)
            shares[i] = sign * h->sign[i] * dot_of(own, row(p, h->limit[i]), p->unknowns);
        combine(p, h, shares);
        for (int k = 0; k < p->unknowns; k++) way[k] = sign * own[k];
        for (int i = 0; i < h->size; i++)
            for (int k = 0; k < p->unknowns; k++) way[k] -= shares[i] * h->sign[i] * row(p, h->limit[i])[k];
        double free = dot_of(way, way, p->unknowns), full = INFINITY, step;
        if (free > 1e-12 * length) full = beyond(p, h->x, limit, sign) / free;
        step = full;
        int first = -1;
        for (int i = 0; i < h->size; i++)
            if (shares[i] > 0 && h->pressure[i] / shares[i] < step) step = h->pressure[i] / shares[i], first = i;
        if (!isfinite(step)) return 0;
        for (int i = 0; i < h->size; i++) h->pressure[i] -= step * shares[i];
        for (int k = 0; k < p->unknowns && isfinite(full); k++) h->x[k] -= step * way[k];
        pressure += step;
        if (first < 0) {
            if (h->size == p->unknowns) return 0;
            h->limit[h->size] = limit, h->sign[h->size] = sign, h->pressure[h->size++] = pressure;
            return 1;
        }
        let_go(h, first);
    }
    return 0;
}

/* Limited values of the solution, which is exact to `exact`, beginning with what is `active` (1 at the upper limit, -1 at
   the lower one) and leaving there what is; return whether there is one. */
static int settle(const struct limited *p, double exact, int8_t *active, double *values)
{
    struct held h;
    int sign = 0;
    begin(p, active, &h);
    for (int round = 0; round < ROUNDS; round++) {
        int limit = furthest(p, h.x, exact, &sign);
        if (limit < 0) {
            memset(active, 0, p->limits * sizeof *active);
            for (int i = 0; i < h.size; i++) active[h.limit[i]] = h.sign[i];
            for (int i = 0; i < p->limits; i++) values[i] = p->offset[i] + dot_of(row(p, i), h.x, p->unknowns);
            return 1;
        }
        if (!add(p, &h, limit, sign)) return 0;
    }
    return 0;
}
