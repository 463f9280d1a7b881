/* A wall clock that jumps by two hours every second; the monotonic one goes on as it should. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>

static int read_clock(clockid_t id, struct timespec *now)
{
    static int (*original)(clockid_t, struct timespec *);
    if (!original)
        original = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    return original(id, now);
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    struct timespec steady;
    int result = read_clock(id, now);
    if (result == 0 && id == CLOCK_REALTIME && read_clock(CLOCK_MONOTONIC, &steady) == 0)
        now->tv_sec += steady.tv_sec % 2 ? 3600 : -3600;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec shifted;
    int result = clock_gettime(CLOCK_REALTIME, &shifted);
    (void)zone;
    now->tv_sec = shifted.tv_sec;
    now->tv_usec = shifted.tv_nsec / 1000;
    return result;
}

time_t time(time_t *kept)
{
    struct timespec shifted;
    clock_gettime(CLOCK_REALTIME, &shifted);
    if (kept)
        *kept = shifted.tv_sec;
    return shifted.tv_sec;
}
