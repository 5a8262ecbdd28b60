/* The clock of a process, late by LATE_BY seconds: preloaded, it answers for libc to all who ask for the date.
   libfaketime 0.9.10 cannot do it for Python 3.11: it changes the monotonic clock, too, by which semaphores
   wait, or else refuses clock_nanosleep(2) with an absolute time. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static time_t late_by(void)
{
    const char *said = getenv("LATE_BY");
    return said == NULL ? 0 : (time_t)atoll(said);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += late_by();
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise) != 0)
        return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *place)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return (time_t)-1;
    if (place != NULL)
        *place = now.tv_sec;
    return now.tv_sec;
}
