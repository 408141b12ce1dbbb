/*
 * Logs in at a steady rate, as jobs that start would: each time with a new handle of the library.
 * A login counts from the time at which it should have begun, so one that waits for its
 * predecessor counts as slow.
 *
 *     steady RATE THREADS
 *
 * Runs until SIGTERM, and prints one line of JSON.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "library/podlogin.h"

#define THREADS_MAX 64
#define SECOND_NSEC UINT64_C(1000000000)

static atomic_ulong n_done, n_failed, longest_nsec;
static atomic_bool is_over;
static uint64_t begin_nsec, interval_nsec;
static unsigned n_threads;
static char first_error[512];

static uint64_t now_nsec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NSEC + (uint64_t)now.tv_nsec;
}

static void sleep_until(uint64_t nsec)
{
    const struct timespec at = {.tv_sec = (time_t)(nsec / SECOND_NSEC),
                                .tv_nsec = (long)(nsec % SECOND_NSEC)};

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void log_in(void)
{
    struct podlogin *login;
    enum podlogin_status status = podlogin_start(NULL, &login);

    if (status != PODLOGIN_OK)
        exit(64);
    status = podlogin_authenticate(login);
    if (status != PODLOGIN_OK && atomic_fetch_add(&n_failed, 1) == 0)
        snprintf(first_error, sizeof(first_error), "%s", podlogin_strerror(login, status));
    podlogin_end(login);
}

static void *run(void *number)
{
    for (uint64_t i = (uint64_t)(uintptr_t)number; !is_over; i += n_threads) {
        uint64_t due_nsec = begin_nsec + i * interval_nsec, took_nsec;
        unsigned long before = longest_nsec;

        sleep_until(due_nsec);
        log_in();
        took_nsec = now_nsec() - due_nsec;
        while (took_nsec > before &&
               !atomic_compare_exchange_weak(&longest_nsec, &before, took_nsec))
            ;
        atomic_fetch_add(&n_done, 1);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS_MAX];
    sigset_t set;
    int number;

    if (argc != 3 || atoi(argv[1]) <= 0 || atoi(argv[2]) <= 0 || atoi(argv[2]) > THREADS_MAX)
        return 64;
    interval_nsec = SECOND_NSEC / (uint64_t)atoi(argv[1]);
    n_threads = (unsigned)atoi(argv[2]);
    begin_nsec = now_nsec();
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    for (unsigned i = 0; i < n_threads; i++)
        if (pthread_create(&threads[i], NULL, run, (void *)(uintptr_t)i) != 0)
            return 70;
    sigwait(&set, &number);
    is_over = true;
    for (unsigned i = 0; i < n_threads; i++)
        pthread_join(threads[i], NULL);
    printf("{\"logins\": %lu, \"failed\": %lu, \"longest_ms\": %.1f, \"seconds\": %.1f, "
           "\"error\": \"%s\"}\n",
           (unsigned long)n_done, (unsigned long)n_failed, (double)longest_nsec / 1e6,
           (double)(now_nsec() - begin_nsec) / 1e9, first_error);
    return 0;
}
