/* What `digit_dynamics.py` computes, for many robots in one call; the legend is there. Matrices are by rows. */

#include <stdint.h>
#include <string.h>

#include <mujoco/mujoco.h>

#include "solve.h"
#include "limits.h"

enum { FREE = 6, LEG = 6, ARM = 4, FULL = 28, REDUCED = 26, TASKS = 20, MOTORS = 20, CONE = 17, LIMITS = MOTORS + CONE };

static const int LEGS[2] = {6, 16}, ARMS[2] = {12, 22}, KNEES[2] = {9, 20}, TARSI[2] = {10, 21};
static const double TOES[2][2] = {{-0.526, 0.519}, {1.656, 1.656}};

struct terms {
    double mass[REDUCED][REDUCED], bias[REDUCED], torso[2][6][FREE], leg[2][6][LEG], drift[2][6], frames[2][3][3], soles[2][3],
        sole_velocity[2][6], mass_center[3], mass_velocity[3], momentum[3];
};

struct problem {
    double rows[LIMITS][TASKS], offset[LIMITS];
};

/* A row of MuJoCo's velocities becomes one of reduced velocities: the knee's column less the tarsus's. */
static void reduce(const double *full, double *to)
{
    for (int from = 0; from < FULL; from++)
        if (from != TARSI[0] && from != TARSI[1]) *to++ = full[from];
    to -= REDUCED;
    to[KNEES[0]] -= full[TARSI[0]];
    to[KNEES[1] - 1] -= full[TARSI[1]];
}

static void reduce_mass(const double full[FULL][FULL], double mass[REDUCED][REDUCED])
{
    double rows[FULL][REDUCED];
    for (int i = 0; i < FULL; i++) reduce(full[i], rows[i]);
    for (int j = 0; j < REDUCED; j++) {
        double column[FULL], merged[REDUCED];
        for (int i = 0; i < FULL; i++) column[i] = rows[i][j];
        reduce(column, merged);
        for (int i = 0; i < REDUCED; i++) mass[i][j] = merged[i];
    }
}

static void sole(const mjModel *m, const mjData *d, int site, int foot, struct terms *t)
{
    double jacobian[6][FULL], rate[6][FULL], merged[REDUCED];
    const double *point = d->site_xpos + 3 * site;
    mj_jac(m, d, jacobian[0], jacobian[3], point, m->site_bodyid[site]);
    mj_jacDot(m, d, rate[0], rate[3], point, m->site_bodyid[site]);
    for (int i = 0; i < 6; i++) {
        reduce(jacobian[i], merged);
        memcpy(t->torso[foot][i], merged, sizeof t->torso[foot][i]);
        memcpy(t->leg[foot][i], merged + LEGS[foot], sizeof t->leg[foot][i]);
        t->drift[foot][i] = t->sole_velocity[foot][i] = 0;
        for (int j = 0; j < FULL; j++) {
            t->drift[foot][i] += rate[i][j] * d->qvel[j];
            t->sole_velocity[foot][i] += jacobian[i][j] * d->qvel[j];
        }
    }
    memcpy(t->frames[foot], d->site_xmat + 9 * site, sizeof t->frames[foot]);
    memcpy(t->soles[foot], point, sizeof t->soles[foot]);
}

void digit_terms(const mjModel *m, mjData *d, int64_t count, const double *positions, const double *velocities,
                 const int64_t *sites, struct terms *all)
{
    double full[FULL][FULL], bias[FULL];
    for (int64_t n = 0; n < count; n++) {
        struct terms *t = all + n;
        memcpy(d->qpos, positions + n * m->nq, m->nq * sizeof *positions);
        memcpy(d->qvel, velocities + n * FULL, sizeof bias);
        mj_kinematics(m, d);
        mj_comPos(m, d);
        mj_crb(m, d);
        mj_comVel(m, d);
        mj_rne(m, d, 0, bias);
        mj_subtreeVel(m, d);
        mj_fullM(m, d, full[0]);
        for (int i = 0; i < FULL; i++) bias[i] += m->dof_damping[i] * d->qvel[i];
        reduce_mass(full, t->mass);
        reduce(bias, t->bias);
        for (int foot = 0; foot < 2; foot++) sole(m, d, sites[foot], foot, t);
        memcpy(t->mass_center, d->subtree_com + 3, sizeof t->mass_center);
        memcpy(t->mass_velocity, d->subtree_linvel + 3, sizeof t->mass_velocity);
        memcpy(t->momentum, d->subtree_angmom + 3, sizeof t->momentum);
    }
}

enum { WIDE = TASKS + 1 };               /* the tasks, then what is there without them */

/* Reduced accelerations of the tasks; the foot `stance` has none. */
static void accelerations(const struct terms *t, int stance, double to[REDUCED][WIDE])
{
    memset(to, 0, REDUCED * sizeof *to);
    for (int i = 0; i < FREE; i++) to[i][i] = 1;
    for (int foot = 0; foot < 2; foot++) {
        double leg[LEG][LEG], right[LEG][WIDE] = {0};
        memcpy(leg, t->leg[foot], sizeof leg);
        for (int i = 0; i < LEG; i++) {
            for (int j = 0; j < FREE; j++) right[i][j] = -t->torso[foot][i][j];
            if (foot != stance) right[i][FREE + i] = 1;
            right[i][TASKS] = -t->drift[foot][i];
        }
        solve(leg[0], right[0], LEG, WIDE);
        memcpy(to[LEGS[foot]], right, sizeof right);
        for (int i = 0; i < ARM; i++) to[ARMS[foot] + i][FREE + LEG + ARM * foot + i] = 1;
    }
}

/* The wrench on the foot that stands, then the joints' torques. */
static void forces(const struct terms *t, int stance, double to[REDUCED][WIDE])
{
    double by_task[REDUCED][WIDE], transposed[FREE][6];
    accelerations(t, stance, by_task);
    memset(to, 0, REDUCED * sizeof *to);
    for (int i = 0; i < REDUCED; i++) {
        for (int k = 0; k < REDUCED; k++)
            for (int j = 0; j < WIDE; j++) to[i][j] += t->mass[i][k] * by_task[k][j];
        to[i][TASKS] += t->bias[i];
    }
    for (int i = 0; i < FREE; i++)
        for (int j = 0; j < 6; j++) transposed[i][j] = t->torso[stance][j][i];
    solve(transposed[0], to[0], FREE, WIDE);
    for (int i = 0; i < LEG; i++)
        for (int k = 0; k < 6; k++)
            for (int j = 0; j < WIDE; j++) to[LEGS[stance] + i][j] -= t->leg[stance][k][i] * to[k][j];
}

/* Horizontal acceleration of the torso makes way for the torques of the toes that stand; tasks become misses. */
static void substitute(double by[REDUCED][WIDE], int ankle, const double *wanted, const double *toes, const double *scale)
{
    double pivot[2][2], rows[2][WIDE];
    for (int i = 0; i < REDUCED; i++)
        for (int j = 2; j < TASKS; j++) by[i][TASKS] += by[i][j] * wanted[j];
    for (int i = 0; i < 2; i++) {
        memcpy(pivot[i], by[ankle + i], sizeof pivot[i]);
        memset(rows[i], 0, sizeof rows[i]);
        rows[i][i] = 1;
        for (int j = 2; j < TASKS; j++) rows[i][j] = -by[ankle + i][j];
        rows[i][TASKS] = toes[i] - by[ankle + i][TASKS];
    }
    solve(pivot[0], rows[0], 2, WIDE);
    for (int i = 0; i < REDUCED; i++) {
        double x = by[i][0], y = by[i][1];
        by[i][0] = by[i][1] = 0;
        for (int j = 0; j < WIDE; j++) by[i][j] += x * rows[0][j] + y * rows[1][j];
        for (int j = 0; j < TASKS; j++) by[i][j] *= scale[j];
    }
}

static void limit(double by[REDUCED][WIDE], const double frame[3][3], const double *cone, struct problem *to)
{
    double local[6][WIDE] = {{0}}, all[LIMITS][WIDE] = {{0}};
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < 3; k++)
            for (int j = 0; j < WIDE; j++) local[i][j] += frame[k][i % 3] * by[i / 3 * 3 + k][j];
    memcpy(all, by[FREE], MOTORS * sizeof *all);
    for (int start = 4; start < MOTORS; start += LEG + ARM)
        for (int j = 0; j < WIDE; j++)
            for (int i = 0; i < 2; i++)
                all[start + i][j] = TOES[0][i] * by[FREE + start][j] + TOES[1][i] * by[FREE + start + 1][j];
    for (int i = 0; i < CONE; i++) {
        for (int k = 0; k < 6; k++)
            for (int j = 0; j < WIDE; j++) all[MOTORS + i][j] += cone[7 * i + k] * local[k][j];
        all[MOTORS + i][TASKS] += cone[7 * i + 6];
    }
    for (int i = 0; i < LIMITS; i++) {
        memcpy(to->rows[i], all[i], sizeof to->rows[i]);
        to->offset[i] = all[i][TASKS];
    }
}

void digit_problems(int64_t count, const struct terms *terms, const int64_t *stance, const double *wanted, const double *toes,
                    const double *scale, const double *cone, struct problem *problems)
{
    double by[REDUCED][WIDE];
    for (int64_t n = 0; n < count; n++) {
        forces(terms + n, stance[n], by);
        substitute(by, LEGS[stance[n]] + 4, wanted + n * TASKS, toes + n * 2, scale);
        limit(by, terms[n].frames[stance[n]], cone, problems + n);
    }
}

static const double EXACT = 1e-6;        /* as daqp has it [N m, N] */

/* Torques of the robots whose programme is settled; `active` is where each begins, and ends. */
void digit_settle(int64_t count, const struct problem *problems, const double *upper, const double *lower, int8_t *active,
                  double *torques, uint8_t *settled)
{
    for (int64_t n = 0; n < count; n++) {
        const struct limited programme = {LIMITS, TASKS, problems[n].rows[0], problems[n].offset, upper, lower};
        double values[LIMITS];
        settled[n] = settle(&programme, EXACT, active + n * LIMITS, values);
        for (int i = 0; i < MOTORS && settled[n]; i++)
            torques[n * MOTORS + i] = fmin(fmax(values[i], lower[i]), upper[i]);
    }
}
