/* What `linearisation.py` computes, for many robots in one call; the legend is there and in `chain.py`. */

#include <stdint.h>
#include <string.h>

#include "solve.h"
#include "limits.h"

enum { MOST = 8, OUTPUTS = 5, RIGHT = 1 + OUTPUTS, FREE = 3 };  /* links; outputs; right sides; joints of the root */

/* x + i z */
struct vector {
    double x, z;
};

/* As `planar.py` has it; arrays are by rows, those of robots and the model's alike. */
struct robots {
    int64_t count, links, flat, left, right, stride, sensors;
    double mass, gravity, radius, stiffness, damping;
    const struct vector *first_moment, *second_moment, *points;
    const double *inertia, *from_joints, *limit, *joint_damping;
    const double *positions, *velocities;
    double *torques;
    const double *sensordata;
    struct vector *places, *speeds, *turned;
    double *angle, *rate;
    struct vector *turning, *spinning;
    double *base, *base_velocity, *attitude, *attitude_rate, *mass_center, *mass_velocity, *feet, *feet_velocity, *force,
        *soles;
    const int64_t *stance;
    const double *aims, *pressure, *misses;
    uint8_t *saturated, *failed;
};

/* Of one robot, while it is being computed. */
struct terms {
    struct vector jacobian[3][MOST], held[3], moment[MOST], contact[MOST], rests, lifted;
    double mass[MOST][MOST], forces[MOST];
};

static struct vector plus(struct vector a, struct vector b)
{
    return (struct vector){a.x + b.x, a.z + b.z};
}

static struct vector scaled(double a, struct vector b)
{
    return (struct vector){a * b.x, a * b.z};
}

static struct vector times(struct vector a, struct vector b)
{
    return (struct vector){a.x * b.x - a.z * b.z, a.x * b.z + a.z * b.x};
}

static double dot(struct vector a, struct vector b)
{
    return a.x * b.x + a.z * b.z;
}

static void put(double *to, struct vector from)
{
    to[0] = from.x, to[2] = from.z;
}

static void move(const struct robots *r, int64_t n)
{
    const double *q = r->positions + n * r->stride + 2, *v = r->velocities + n * r->stride + 2;
    for (int64_t i = 0; i < r->links; i++) {
        const double *joints = r->from_joints + i * r->links;
        int64_t own = n * r->links + i;
        double angle = 0, rate = 0;
        for (int64_t j = 0; j < r->links; j++) angle += joints[j] * q[j], rate += joints[j] * v[j];
        struct vector turned = {cos(angle), -sin(angle)};
        r->angle[own] = angle, r->rate[own] = rate, r->turned[own] = turned;
        r->turning[own] = (struct vector){turned.z, -turned.x};
        r->spinning[own] = scaled(-rate * rate, turned);
    }
    for (int64_t p = 0; p < 3; p++) {
        struct vector place = {0, 0}, speed = {0, 0};
        for (int64_t j = 0; j < r->links; j++) {
            struct vector constant = r->points[p * r->links + j];
            int64_t own = n * r->links + j;
            place = plus(place, times(r->turned[own], constant));
            speed = plus(speed, scaled(r->rate[own], times(r->turning[own], constant)));
        }
        r->places[3 * n + p] = place, r->speeds[3 * n + p] = speed;
    }
}

void planar_posture(const struct robots *r)
{
    for (int64_t n = 0; n < r->count; n++) {
        const double *q = r->positions + n * r->stride, *v = r->velocities + n * r->stride;
        struct vector base = {q[0], q[1]}, velocity = {v[0], v[1]};
        const struct vector *places = r->places + 3 * n, *speeds = r->speeds + 3 * n;
        move(r, n);
        put(r->base + 3 * n, base), put(r->base_velocity + 3 * n, velocity);
        r->attitude[3 * n + 1] = q[2], r->attitude_rate[3 * n + 1] = v[2];
        put(r->mass_center + 3 * n, plus(base, places[2])), put(r->mass_velocity + 3 * n, plus(velocity, speeds[2]));
        for (int64_t foot = 0; foot < 2; foot++) {
            put(r->feet + 6 * n + 3 * foot, plus(base, places[foot]));
            put(r->feet_velocity + 6 * n + 3 * foot, plus(velocity, speeds[foot]));
            r->force[2 * n + foot] = r->sensordata[n * r->sensors + foot];
            if (r->flat) r->soles[2 * n + foot] = r->angle[n * r->links + (foot ? r->right : r->left)];
        }
    }
}

static void accelerations(const struct robots *r, int64_t n, int stance, double *to)
{
    int64_t outputs = 4 + r->flat, swinging = n * r->links + (stance ? r->left : r->right);
    const double *aims = r->aims + n * 3 * outputs;
    const struct vector *seen[2] = {r->places + 3 * n, r->speeds + 3 * n};
    const double *lean[2] = {r->positions + n * r->stride + 2, r->velocities + n * r->stride + 2};
    const double *sole[2] = {r->angle + swinging, r->rate + swinging}, gains[2] = {r->stiffness, r->damping};
    memcpy(to, aims + 2 * outputs, outputs * sizeof *to);
    for (int i = 0; i < 2; i++) {
        struct vector stands = seen[i][stance], moves = seen[i][1 - stance];
        double own[5] = {*lean[i], -stands.z, moves.x - seen[i][2].x, moves.z - stands.z, *sole[i]};
        for (int64_t j = 0; j < outputs; j++) to[j] += gains[i] * (aims[i * outputs + j] - own[j]);
    }
}

static void evaluate(const struct robots *r, int64_t n, int stance, struct terms *t)
{
    const struct vector *turned = r->turned + n * r->links, *turning = r->turning + n * r->links,
                        *spinning = r->spinning + n * r->links;
    memset(t->held, 0, sizeof t->held);
    t->lifted = (struct vector){0, r->mass * r->gravity};
    for (int64_t i = 0; i < r->links; i++) {
        struct vector spun = {0, 0};
        for (int p = 0; p < 3; p++) {
            struct vector constant = r->points[p * r->links + i];
            t->jacobian[p][i] = times(turning[i], constant);
            t->held[p] = plus(t->held[p], times(spinning[i], constant));
        }
        t->contact[i] = t->jacobian[stance][i];
        t->moment[i] = times(turning[i], r->first_moment[i]);
        t->lifted = plus(t->lifted, times(spinning[i], r->first_moment[i]));
        for (int64_t j = 0; j < r->links; j++) {
            int64_t pair = i * r->links + j;
            t->mass[i][j] = dot(turned[i], times(turned[j], r->second_moment[pair])) + r->inertia[pair];
            spun = plus(spun, times(spinning[j], r->second_moment[pair]));
        }
        t->forces[i] = dot(turning[i], spun) + r->gravity * t->moment[i].z;
    }
    int64_t foot = stance ? r->right : r->left;
    t->contact[foot].x -= r->radius, t->rests = t->held[stance];
    if (!r->flat) return;
    t->contact[foot] = plus(t->contact[foot], scaled(r->pressure[n], turning[foot]));
    t->rests = plus(t->rests, scaled(r->pressure[n], spinning[foot]));
}

/* The last equation: what turns the robot around the contact. */
static double momentum(const struct robots *r, const struct terms *t, double *row)
{
    struct vector shift = {0, 0}, carried = {0, 0};
    double forces = 0;
    for (int64_t i = 0; i < r->links; i++) {
        shift = plus(shift, scaled(-1, t->contact[i]));
        carried = plus(carried, t->moment[i]);
        forces += t->forces[i];
    }
    carried = plus(carried, scaled(r->mass, shift));
    for (int64_t j = 0; j < r->links; j++) {
        row[j] = dot(shift, t->moment[j]) - dot(carried, t->contact[j]);
        for (int64_t i = 0; i < r->links; i++) row[j] += t->mass[i][j];
    }
    return dot(carried, t->rests) - dot(shift, t->lifted) - forces;
}

/* Angular accelerations, all 0 if there are none: as wanted, and for each output by how much they change with it. Return
   whether there are none. */
static int turn(const struct robots *r, const struct terms *t, int stance, const double *wanted, double found[MOST][RIGHT])
{
    int64_t size = r->links, swing = 1 - stance;
    double matrix[MOST * MOST] = {0}, last = momentum(r, t, matrix + size * (size - 1));
    double known[OUTPUTS] = {0, t->held[stance].z, t->held[2].x - t->held[swing].x, t->held[stance].z - t->held[swing].z, 0};
    matrix[0] = 1;
    for (int64_t j = 0; j < size; j++) {
        matrix[size + j] = -t->jacobian[stance][j].z;
        matrix[2 * size + j] = t->jacobian[swing][j].x - t->jacobian[2][j].x;
        matrix[3 * size + j] = t->jacobian[swing][j].z - t->jacobian[stance][j].z;
    }
    memset(found, 0, size * sizeof *found);
    for (int64_t i = 0; i < 4 + r->flat; i++) found[i][0] = wanted[i] + known[i], found[i][1 + i] = 1;
    if (r->flat) matrix[4 * size + (stance ? r->left : r->right)] = matrix[5 * size + (stance ? r->right : r->left)] = 1;
    found[size - 1][0] = last;
    solve(matrix, found[0], size, RIGHT);
    int failed = 0;
    for (int64_t i = 0; i < size; i++)
        for (int k = 0; k < RIGHT; k++) failed |= !isfinite(found[i][k]);
    if (failed) memset(found, 0, size * sizeof *found);
    return failed;
}

/* Torques of the joints, as wanted, and by how much they change with each output; return whether there are none. */
static int torques(const struct robots *r, int64_t n, int stance, const double *wanted, double driven[MOST][RIGHT])
{
    struct terms t;
    double found[MOST][RIGHT];
    evaluate(r, n, stance, &t);
    int failed = turn(r, &t, stance, wanted, found);
    memset(driven, 0, (r->links - 1) * sizeof *driven);
    for (int64_t j = 0; j < r->links - 1; j++) driven[j][0] = r->joint_damping[j] * r->velocities[n * r->stride + FREE + j];
    for (int k = 0; k < RIGHT; k++) {
        struct vector base = k ? (struct vector){0, 0} : scaled(-1, t.rests), push = k ? (struct vector){0, 0} : t.lifted;
        for (int64_t j = 0; j < r->links; j++) {
            base = plus(base, scaled(-found[j][k], t.contact[j]));
            push = plus(push, scaled(found[j][k], t.moment[j]));
        }
        push = plus(push, scaled(r->mass, base));
        for (int64_t i = 0; i < r->links; i++) {
            double torque = (k ? 0 : t.forces[i]) + dot(t.moment[i], base) - dot(t.contact[i], push);
            for (int64_t j = 0; j < r->links; j++) torque += t.mass[i][j] * found[j][k];
            for (int64_t j = 1; j < r->links; j++) driven[j - 1][k] += r->from_joints[i * r->links + j] * torque;
        }
    }
    return failed;
}

/* Torques within the limits, with which outputs miss by as little as can be; return whether they had to be changed. */
static int within(const struct robots *r, double driven[MOST][RIGHT], double *kept)
{
    int64_t size = r->links - 1, outputs = 4 + r->flat;
    double rows[MOST * OUTPUTS], offset[MOST], lower[MOST];
    int saturated = 0;
    int8_t active[MOST] = {0};
    for (int64_t j = 0; j < size; j++) {
        kept[j] = offset[j] = driven[j][0], lower[j] = -r->limit[j];
        saturated |= fabs(offset[j]) > r->limit[j];
        for (int64_t i = 0; i < outputs; i++) rows[j * outputs + i] = driven[j][1 + i] * r->misses[i];
    }
    const struct limited programme = {size, outputs, rows, offset, r->limit, lower};
    if (saturated && !settle(&programme, 1e-9, active, kept)) memcpy(kept, offset, size * sizeof *kept);
    for (int64_t j = 0; j < size && saturated; j++) kept[j] = fmin(fmax(kept[j], lower[j]), r->limit[j]);
    return saturated;
}

/* Torques (count, joints) and how they change with outputs (count, joints, outputs). */
void planar_torques(const struct robots *r, const int64_t *stance, const double *wanted, double *full, double *gains,
                    uint8_t *failed)
{
    int64_t outputs = 4 + r->flat, size = r->links - 1;
    for (int64_t n = 0; n < r->count; n++) {
        double driven[MOST][RIGHT];
        failed[n] = torques(r, n, stance[n], wanted + n * outputs, driven);
        for (int64_t j = 0; j < size; j++) {
            full[n * size + j] = driven[j][0];
            memcpy(gains + (n * size + j) * outputs, driven[j] + 1, outputs * sizeof *gains);
        }
    }
}

void planar_track(const struct robots *r)
{
    double wanted[OUTPUTS], driven[MOST][RIGHT], kept[MOST];
    for (int64_t n = 0; n < r->count; n++) {
        accelerations(r, n, r->stance[n], wanted);
        r->failed[n] = torques(r, n, r->stance[n], wanted, driven);
        r->saturated[n] = within(r, driven, kept);
        if (!r->failed[n]) memcpy(r->torques + n * r->stride, kept, (r->links - 1) * sizeof *kept);
    }
}
