#include "sandbox/sandbox.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

/* A sanitizer makes system calls and opens files of its own. */
#ifdef HAS_SANITIZER
#define IS_ON false
#else
#define IS_ON true
#endif

static void restrict_files(struct file_rules *rules)
{
    int r = IS_ON ? file_rules_apply(rules) : 0;

    if (r == -EOPNOTSUPP)
        log_info(
            "this kernel has no Landlock: the sandbox does not restrict which files are opened");
    else if (r < 0)
        log_warning("cannot restrict which files are opened: %s", strerror(-r));
}

static void restrict_system_calls(enum sandbox_process process)
{
    int r = IS_ON ? system_calls_restrict(process) : 0;

    if (r < 0)
        log_warning("cannot restrict system calls: %s", strerror(-r));
}

void sandbox_enter(enum sandbox_process process, struct file_rules *rules)
{
    restrict_files(rules);
    restrict_system_calls(process);
}
