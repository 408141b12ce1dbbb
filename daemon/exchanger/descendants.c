#include "exchanger/descendants.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

#define DEPTH_MAX 32 /* those below are found when those above have ended */
#define PATH_SIZE 64

struct visit {
    int signal;
    const pid_t *spared;
    size_t n_spared;
};

DEFINE_CLEANUP(FILE *, fclose)
DEFINE_CLEANUP(DIR *, closedir)

static bool is_spared(const struct visit *visit, pid_t pid)
{
    for (size_t i = 0; i < visit->n_spared; i++)
        if (visit->spared[i] == pid)
            return true;
    return false;
}

static void signal_children(pid_t pid, int depth, const struct visit *visit);

static void signal_children_of_thread(pid_t pid, const char *thread, int depth,
                                      const struct visit *visit)
{
    char path[PATH_SIZE];
    CLEANUP(fclosep) FILE *file = NULL;
    pid_t child;

    snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children", pid, thread);
    file = fopen(path, "re");
    while (file && fscanf(file, "%d", &child) == 1) {
        if (is_spared(visit, child))
            continue;
        signal_children(child, depth + 1, visit);
        kill(child, visit->signal);
    }
}

static void signal_children(pid_t pid, int depth, const struct visit *visit)
{
    char path[PATH_SIZE];
    CLEANUP(closedirp) DIR *threads = NULL;
    const struct dirent *thread;

    if (depth > DEPTH_MAX)
        return;
    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    threads = opendir(path);
    while (threads && (thread = readdir(threads)))
        if (thread->d_name[0] != '.')
            signal_children_of_thread(pid, thread->d_name, depth, visit);
}

int descendants_adopt(void)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", getpid(), getpid());
    if (access(path, R_OK) < 0)
        return -ENOSYS;
    return prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ? -errno : 0;
}

void descendants_signal(int signal, const pid_t *spared, size_t n_spared)
{
    signal_children(getpid(), 0,
                    &(struct visit){.signal = signal, .spared = spared, .n_spared = n_spared});
}

/* Whatever is started while the others are killed is found in the next round. */
void descendants_end(void)
{
    pid_t pid;

    do {
        descendants_signal(SIGKILL, NULL, 0);
        pid = waitpid(-1, NULL, 0);
        while (pid > 0 && waitpid(-1, NULL, WNOHANG) > 0)
            ;
    } while (pid > 0 || errno == EINTR);
}
