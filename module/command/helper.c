#include "command/helper.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "command/commands.h"
#include "command/print.h"
#include "library/environment.h"

#define USERNAME "x-access-token" /* GitHub asks for it; most others take any */

static const struct command *const helpers[] = {&helper_git_credential, &helper_docker_credential};

const struct command *helper_find(const char *name, const char **ret_service)
{
    for (size_t i = 0; i < sizeof(helpers) / sizeof(helpers[0]); i++) {
        size_t len = helpers[i] ? strlen(helpers[i]->name) : 0;

        if (!len || strncmp(name, helpers[i]->name, len) != 0 || (name[len] && name[len] != '-'))
            continue;
        *ret_service = name[len] ? name + len + 1 : NULL;
        return helpers[i];
    }
    return NULL;
}

int helper_read(char buffer[HELPER_INPUT_MAX])
{
    size_t len = 0;
    ssize_t n;

    while ((n = read(STDIN_FILENO, buffer + len, HELPER_INPUT_MAX - len)) > 0) {
        len += (size_t)n;
        if (len == HELPER_INPUT_MAX)
            return -E2BIG;
    }
    if (n < 0)
        return -errno;
    buffer[len] = '\0';
    return strlen(buffer) == len ? (int)len : -EBADMSG;
}

const char *helper_username(const struct options *options)
{
    const char *name =
        options->username ? options->username : environment_value("PODLOGIN_USERNAME");

    return name ? name : USERNAME;
}

int helper_check(const struct options *options)
{
    const char *name = helper_username(options);

    if (text_is_visible(name, strlen(name)))
        return -1;
    return usage("--username or PODLOGIN_USERNAME has other characters than visible ASCII", NULL);
}

const char *helper_hosts(const struct options *options)
{
    return options->hosts ? options->hosts : environment_value("PODLOGIN_HOSTS");
}

bool helper_may_have(const char *hosts, const char *host, size_t len)
{
    for (size_t n; *hosts; hosts += n + !!hosts[n]) {
        n = strcspn(hosts, ", ");
        if (n == len && n > 0 && strncasecmp(hosts, host, n) == 0)
            return true;
    }
    return false;
}
