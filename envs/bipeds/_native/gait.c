/* What `gait.py` computes at every tick, for many robots in one call; the legend is there and in `trajectories.py`. */

#include <math.h>
#include <stdint.h>

enum { POWERS = 7 };                     /* coefficients of the lift */

/* As `gait.py` beside this has it; arrays are by rows. */
struct gait {
    int64_t count, decisions;
    double tick, touch, earliest, late_speed, frequency, slip_speed, settled, step_time, clearance;
    const double *lifts;
    const int64_t *stance;
    double *since;
    const double *target, *lifted_off, *left_with;
    double *heading;
    const double *heading_rate, *wanted_pace;
    double *pace, *quickening;
    double *filter, *swing, *yaw;
    const double *incline;
    double *height, *tilt;
    uint8_t *landed, *slips;
    const double *force, *feet_velocity, *feet, *mass_center, *mass_velocity;
};

static double phase(const struct gait *g, int64_t n)
{
    return fmin(g->since[n] / g->step_time, 1);
}

/* One tick on; return whether a foot has landed somewhere. */
int gait_tick(const struct gait *g)
{
    int any = 0;
    for (int64_t n = 0; n < g->count; n++) {
        g->quickening[n] = g->frequency * (g->wanted_pace[n] - g->pace[n]);
        g->pace[n] += g->tick * g->quickening[n];
        g->since[n] += g->tick * (g->since[n] < g->step_time ? g->pace[n] : 1);
        g->landed[n] = g->force[2 * n + 1 - g->stance[n]] > g->touch && phase(g, n) > g->earliest;
        any |= g->landed[n];
    }
    return any;
}

static void filter(const struct gait *g, int64_t n)
{
    double *position = g->filter + 3 * g->decisions * n, *rate = position + g->decisions, *acceleration = rate + g->decisions;
    for (int64_t i = 0; i < g->decisions; i++) {
        double ahead = g->target[n * g->decisions + i] - position[i];
        acceleration[i] = ahead * (g->frequency * g->frequency) - 2 * g->frequency * rate[i];
        rate[i] += g->tick * acceleration[i];
        position[i] += g->tick * rate[i];
    }
}

static void blend(double s, double seconds, double w[3])
{
    double rate = M_PI / seconds, cosine = cos(M_PI * s);
    w[0] = (1 - cosine) / 2;
    w[1] = sin(M_PI * s) * (rate / 2);
    w[2] = cosine * (rate * rate / 2);
}

static void lift(const double *lifts, double s, double seconds, double to[3])
{
    double scale = 1;
    for (int i = 0; i < 3; i++, scale *= seconds) {
        to[i] = 0;
        for (int power = POWERS - 1; power >= 0; power--) to[i] = to[i] * s + lifts[POWERS * i + power];
        to[i] /= scale;
    }
}

static void departure(double s, double seconds, double to[3])
{
    double rest = 1 - s;
    to[0] = s * rest * rest * seconds;
    to[1] = rest * (1 - 3 * s);
    to[2] = (6 * s - 4) / seconds;
}

/* Of a curve by the step's own clock: rate and acceleration by time. */
static void by_time(double pace, double change, double curve[3])
{
    curve[2] = curve[2] * pace * pace + curve[1] * change;
    curve[1] *= pace;
}

/* Landing place, its rate and acceleration: along `axis` of the world, from the filter. */
static void place(const struct gait *g, int64_t n, int64_t axis, double to[3])
{
    int64_t places = g->decisions - 2;
    for (int i = 0; i < 3; i++) {
        const double *filtered = g->filter + (3 * n + i) * g->decisions;
        to[i] = filtered[0];
        if (places == 1) continue;
        double outward = filtered[1] * (2.0 * g->stance[n] - 1), cosine = cos(g->heading[n]), sine = sin(g->heading[n]);
        to[i] = axis ? sine * filtered[0] + cosine * outward : cosine * filtered[0] - sine * outward;
    }
}

static void swing(const struct gait *g, int64_t n)
{
    double s = phase(g, n), late = g->since[n] - g->step_time, w[3], onward[3], aim[3], height[3];
    const double *from = g->lifted_off + 3 * n, *left = g->left_with + 3 * n;
    double *to = g->swing + 9 * n;
    blend(s, g->step_time, w), departure(s, g->step_time, onward), lift(g->lifts, s, g->step_time, height);
    by_time(g->pace[n], g->quickening[n], w), by_time(g->pace[n], g->quickening[n], onward);
    by_time(g->pace[n], g->quickening[n], height);
    if (late >= 0) w[2] = onward[2] = 0;
    for (int64_t axis = 0; axis < g->decisions - 2; axis++) {
        place(g, n, axis, aim);
        double way = aim[0] - from[axis];
        to[axis] = from[axis] + w[0] * way;
        to[3 + axis] = w[1] * way + w[0] * aim[1];
        to[6 + axis] = w[2] * way + 2 * w[1] * aim[1] + w[0] * aim[2];
        for (int i = 0; i < 3; i++) to[3 * i + axis] += left[axis] * onward[i];
    }
    for (int i = 0; i < 3; i++)
        to[3 * i + 2] = g->clearance * height[i] - from[2] * w[i] + left[2] * onward[i];
    to[2] += from[2];
    if (late > 0) to[2] -= g->late_speed * late, to[5] = -g->late_speed, to[8] = 0;
}

/* How far ahead a vector of the world reaches. */
static double ahead(const struct gait *g, int64_t n, const double *vector)
{
    return g->decisions == 3 ? vector[0] : cos(g->heading[n]) * vector[0] + sin(g->heading[n]) * vector[1];
}

/* Swing foot and base are above the plane through the stance foot. */
static void along_ground(const struct gait *g, int64_t n)
{
    const double incline = g->incline[n], *stands = g->feet + 3 * (2 * n + g->stance[n]), *center = g->mass_center + 3 * n;
    const double from_foot[3] = {center[0] - stands[0], center[1] - stands[1], 0};
    const double moving[3] = {ahead(g, n, from_foot), ahead(g, n, g->mass_velocity + 3 * n), 0};
    double *to = g->swing + 9 * n;
    for (int i = 0; i < 3; i++) {
        g->height[3 * n + i] = g->filter[(3 * n + i + 1) * g->decisions - 1] + incline * moving[i];
        to[3 * i + 2] += incline * (ahead(g, n, to + 3 * i) + moving[i]);
    }
    g->tilt[n] = -atan(incline);
}

/* References of this tick. */
void gait_refer(const struct gait *g)
{
    for (int64_t n = 0; n < g->count; n++) {
        filter(g, n);
        swing(g, n);
        if (g->decisions > 3) {
            g->heading[n] += g->tick * g->heading_rate[n];
            g->yaw[3 * n] = g->heading[n], g->yaw[3 * n + 1] = g->heading_rate[n];
        }
        along_ground(g, n);
    }
}

void gait_slips(const struct gait *g)
{
    for (int64_t n = 0; n < g->count; n++) {
        int64_t foot = 2 * n + g->stance[n];
        const double *velocity = g->feet_velocity + 3 * foot;
        g->slips[n] = hypot(velocity[0], velocity[1]) > g->slip_speed && g->since[n] > g->settled && g->force[foot] > 0;
    }
}
