#include "standin/waiting.h"

#include <errno.h>
#include <time.h>

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Almost all waits are equally long, so the right place is found at once from the end. */
static void list_insert(struct waiting *waiting, struct wait *wait)
{
    struct wait *before = waiting->last;

    while (before && before->due_ms > wait->due_ms)
        before = before->previous;
    wait->previous = before;
    wait->next = before ? before->next : waiting->first;
    if (wait->next)
        wait->next->previous = wait;
    else
        waiting->last = wait;
    if (before)
        before->next = wait;
    else
        waiting->first = wait;
}

static void list_remove(struct waiting *waiting, struct wait *wait)
{
    if (wait->previous)
        wait->previous->next = wait->next;
    else
        waiting->first = wait->next;
    if (wait->next)
        wait->next->previous = wait->previous;
    else
        waiting->last = wait->previous;
    wait->previous = wait->next = NULL;
}

static void resume(struct waiting *waiting, struct wait *wait)
{
    list_remove(waiting, wait);
    MHD_resume_connection(wait->connection);
}

static void *timer(void *userdata)
{
    struct waiting *waiting = userdata;

    pthread_mutex_lock(waiting->lock);
    while (!waiting->is_stopping) {
        struct wait *first = waiting->first;
        struct timespec due;

        if (!first || first->due_ms == UINT64_MAX) {
            pthread_cond_wait(&waiting->changed, waiting->lock);
            continue;
        }
        if (first->due_ms <= now_ms()) {
            resume(waiting, first);
            continue;
        }
        due.tv_sec = (time_t)(first->due_ms / 1000);
        due.tv_nsec = (long)(first->due_ms % 1000) * 1000000;
        pthread_cond_timedwait(&waiting->changed, waiting->lock, &due);
    }
    pthread_mutex_unlock(waiting->lock);
    return NULL;
}

int waiting_start(struct waiting *waiting, pthread_mutex_t *lock)
{
    pthread_condattr_t attributes;

    waiting->lock = lock;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&waiting->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return -pthread_create(&waiting->thread, NULL, timer, waiting);
}

void waiting_stop(struct waiting *waiting)
{
    pthread_mutex_lock(waiting->lock);
    waiting->is_stopping = true;
    while (waiting->first)
        resume(waiting, waiting->first);
    pthread_cond_signal(&waiting->changed);
    pthread_mutex_unlock(waiting->lock);
    pthread_join(waiting->thread, NULL);
    pthread_cond_destroy(&waiting->changed);
}

bool waiting_suspend(struct waiting *waiting, struct wait *wait, uint32_t delay_ms,
                     const void *hung_by)
{
    if (waiting->is_stopping)
        return false;
    wait->hung_by = hung_by;
    wait->due_ms = hung_by ? UINT64_MAX : now_ms() + delay_ms;
    MHD_suspend_connection(wait->connection);
    list_insert(waiting, wait);
    if (waiting->first == wait)
        pthread_cond_signal(&waiting->changed);
    return true;
}

void waiting_release(struct waiting *waiting, const void *hung_by)
{
    struct wait *next;

    for (struct wait *wait = waiting->first; wait; wait = next) {
        next = wait->next;
        if (wait->hung_by == hung_by)
            resume(waiting, wait);
    }
}
