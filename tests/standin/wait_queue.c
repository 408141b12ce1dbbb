#include "standin/wait_queue.h"

#include <errno.h>
#include <time.h>

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Almost all waits have the same length, so the search from the end is short. */
static void queue_insert(struct wait_queue *queue, struct wait *wait)
{
    struct wait *before = queue->last;

    while (before && before->due_ms > wait->due_ms)
        before = before->previous;
    wait->previous = before;
    wait->next = before ? before->next : queue->first;
    if (wait->next)
        wait->next->previous = wait;
    else
        queue->last = wait;
    if (before)
        before->next = wait;
    else
        queue->first = wait;
}

static void queue_remove(struct wait_queue *queue, struct wait *wait)
{
    if (wait->previous)
        wait->previous->next = wait->next;
    else
        queue->first = wait->next;
    if (wait->next)
        wait->next->previous = wait->previous;
    else
        queue->last = wait->previous;
    wait->previous = wait->next = NULL;
}

static void queue_resume(struct wait_queue *queue, struct wait *wait)
{
    queue_remove(queue, wait);
    MHD_resume_connection(wait->connection);
}

static void *queue_run(void *userdata)
{
    struct wait_queue *queue = userdata;

    pthread_mutex_lock(queue->lock);
    while (!queue->is_stopping) {
        struct wait *first = queue->first;
        struct timespec due;

        if (!first || first->due_ms == UINT64_MAX) {
            pthread_cond_wait(&queue->changed, queue->lock);
            continue;
        }
        if (first->due_ms <= now_ms()) {
            queue_resume(queue, first);
            continue;
        }
        due.tv_sec = (time_t)(first->due_ms / 1000);
        due.tv_nsec = (long)(first->due_ms % 1000) * 1000000;
        pthread_cond_timedwait(&queue->changed, queue->lock, &due);
    }
    pthread_mutex_unlock(queue->lock);
    return NULL;
}

int wait_queue_start(struct wait_queue *queue, pthread_mutex_t *lock)
{
    pthread_condattr_t attributes;

    queue->lock = lock;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return -pthread_create(&queue->thread, NULL, queue_run, queue);
}

void wait_queue_stop(struct wait_queue *queue)
{
    pthread_mutex_lock(queue->lock);
    queue->is_stopping = true;
    while (queue->first)
        queue_resume(queue, queue->first);
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(queue->lock);
    pthread_join(queue->thread, NULL);
    pthread_cond_destroy(&queue->changed);
}

bool wait_queue_suspend(struct wait_queue *queue, struct wait *wait, uint32_t delay_ms,
                        const void *hung_by)
{
    if (queue->is_stopping)
        return false;
    wait->hung_by = hung_by;
    wait->due_ms = hung_by ? UINT64_MAX : now_ms() + delay_ms;
    MHD_suspend_connection(wait->connection);
    queue_insert(queue, wait);
    if (queue->first == wait)
        pthread_cond_signal(&queue->changed);
    return true;
}

void wait_queue_release(struct wait_queue *queue, const void *hung_by)
{
    struct wait *next;

    for (struct wait *wait = queue->first; wait; wait = next) {
        next = wait->next;
        if (wait->hung_by == hung_by)
            queue_resume(queue, wait);
    }
}
