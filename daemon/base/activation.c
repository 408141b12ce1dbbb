#include "base/activation.h"

#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/log.h"

/* As systemd passed them; a descriptor that was taken is -1. */
static struct {
    char **names;
    int fds[16];
    int n;
    bool was_any; /* also after activation_done() */
} passed;

void activation_init(void)
{
    int n = sd_listen_fds_with_names(1, &passed.names);

    passed.was_any = n > 0;
    for (int i = 0; i < n; i++) {
        if (i < (int)(sizeof(passed.fds) / sizeof(passed.fds[0])))
            passed.fds[passed.n++] = SD_LISTEN_FDS_START + i;
        else
            close(SD_LISTEN_FDS_START + i);
    }
}

bool activation_is_any(void)
{
    return passed.was_any;
}

int activation_take(const char *name)
{
    for (int i = 0; i < passed.n; i++) {
        int fd = passed.fds[i];

        if (fd < 0 || strcmp(passed.names[i], name) != 0)
            continue;
        passed.fds[i] = -1;
        return fd;
    }
    return -1;
}

void activation_done(void)
{
    for (int i = 0; i < passed.n; i++) {
        if (passed.fds[i] < 0)
            continue;
        log_warning("the service manager passed a descriptor named %s, which has no use here",
                    passed.names[i]);
        close(passed.fds[i]);
    }
    for (char **name = passed.names; name && *name; name++)
        free(*name);
    free(passed.names);
    passed.names = NULL;
    passed.n = 0;
}
