#include <stdint.h>
#include <string.h>

/* Programmes min |x|^2, lower <= rows x + offset <= upper, with up to `UNKNOWNS` unknowns and few active limits.
   Include `solve.h` first. */

enum { UNKNOWNS = 20, ACTIVE = 12, ROUNDS = 30 };  /* of x; limits that are tried together; changes of these */

struct limited {
    int limits, unknowns;
    const double *rows, *offset, *upper, *lower;
};

/* The shortest x that holds `size` rows at their limits, and their multipliers. */
static void hold(const struct limited *p, const int *held, const int *sign, int size, double *multiplier, double *x)
{
    double products[ACTIVE * ACTIVE];
    for (int i = 0; i < size; i++) {
        const double *row = p->rows + held[i] * p->unknowns;
        multiplier[i] = (sign[i] > 0 ? p->upper : p->lower)[held[i]] - p->offset[held[i]];
        for (int j = 0; j < size; j++) {
            const double *other = p->rows + held[j] * p->unknowns;
            products[i * size + j] = 0;
            for (int k = 0; k < p->unknowns; k++) products[i * size + j] += row[k] * other[k];
        }
    }
    solve(products, multiplier, size, 1);
    for (int k = 0; k < p->unknowns; k++) {
        x[k] = 0;
        for (int i = 0; i < size; i++) x[k] += multiplier[i] * p->rows[held[i] * p->unknowns + k];
    }
}

/* The one among `size` limits that pulls instead of pushing, most strongly; -1 if none does, -2 if there are no numbers. */
static int pulling(const int *sign, const double *multiplier, int size)
{
    int found = -1;
    for (int i = 0; i < size; i++) {
        if (!isfinite(multiplier[i])) return -2;
        if (sign[i] * multiplier[i] > 0 && (found < 0 || fabs(multiplier[i]) > fabs(multiplier[found]))) found = i;
    }
    return found;
}

/* Fill values rows x + offset; return which one is furthest beyond its limits by more than `exact`, -1 if none is. */
static int furthest(const struct limited *p, const double *x, double exact, double *values)
{
    int found = -1;
    for (int i = 0; i < p->limits; i++) {
        values[i] = p->offset[i];
        for (int k = 0; k < p->unknowns; k++) values[i] += p->rows[i * p->unknowns + k] * x[k];
        double beyond = fmax(values[i] - p->upper[i], p->lower[i] - values[i]);
        if (beyond > exact) exact = beyond, found = i;
    }
    return found;
}

/* Limited values of the solution; return whether it was reached by few changes of the limits that are active (1 at the
   upper one, -1 at the lower one). Then all limits hold and every multiplier has its sign, which no other x fulfils. */
static int settle(const struct limited *p, double exact, int8_t *active, double *values)
{
    int held[ACTIVE], sign[ACTIVE], size = 0;
    for (int i = 0; i < p->limits; i++)
        if (active[i] && size < ACTIVE) held[size] = i, sign[size++] = active[i];
    for (int round = 0; round < ROUNDS; round++) {
        double multiplier[ACTIVE], x[UNKNOWNS];
        hold(p, held, sign, size, multiplier, x);
        int wrong = pulling(sign, multiplier, size);
        if (wrong == -2) return 0;
        if (wrong >= 0) {
            held[wrong] = held[--size], sign[wrong] = sign[size];
            continue;
        }
        int worst = furthest(p, x, exact, values);
        if (worst < 0) {
            memset(active, 0, p->limits * sizeof *active);
            for (int i = 0; i < size; i++) active[held[i]] = sign[i];
            return 1;
        }
        if (size == ACTIVE) return 0;
        held[size] = worst, sign[size++] = values[worst] > p->upper[worst] ? 1 : -1;
    }
    return 0;
}
