#include "ctl/doctor_decide.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "ctl/remedy.h"

#define SKEW_FAILS_S 30 /* what the daemon allows a token to be issued in the future */
#define SKEW_WARNS_S 5

int64_t clock_skew_s(int64_t date_s, int64_t before_s, int64_t after_s)
{
    if (date_s < before_s - 1) /* both are rounded to seconds */
        return date_s - before_s;
    return date_s > after_s + 1 ? date_s - after_s : 0;
}

struct doctor_verdict judge_skew(int64_t skew_s)
{
    static const char remedy[] = "set the node's clock, and keep it right with NTP (timedatectl)";

    if (llabs(skew_s) > SKEW_FAILS_S)
        return DOCTOR_FAILS(EXIT_CODE_CONFIG, remedy);
    return llabs(skew_s) > SKEW_WARNS_S ? DOCTOR_WARNS(remedy) : DOCTOR_PASSES;
}

static bool number_read(const char **text, uint64_t *ret_number)
{
    char *end;

    *text += strspn(*text, " ");
    if (strncmp(*text, "unlimited", 9) == 0) {
        *ret_number = UINT64_MAX;
        *text += 9;
        return true;
    }
    *ret_number = strtoull(*text, &end, 10);
    if (end == *text)
        return false;
    *text = end;
    return true;
}

/* Returns what follows @name at the beginning of a line, or NULL. */
static const char *line_find(const char *text, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) == 0)
            return line + len;
    }
    return NULL;
}

bool limit_read(const char *text, const char *name, uint64_t *ret_soft, uint64_t *ret_hard)
{
    const char *at = line_find(text, name);

    return at && number_read(&at, ret_soft) && number_read(&at, ret_hard);
}

bool process_status_read(const char *text, const char *name, int base, uint64_t *ret_number)
{
    const char *at = line_find(text, name);
    char *end;

    if (!at)
        return false;
    *ret_number = strtoull(at, &end, base);
    return end > at;
}

bool key_was_lost(int64_t boot_s, int64_t database_born_s, int64_t key_changed_s)
{
    return database_born_s > boot_s && key_changed_s > database_born_s + 1;
}

struct doctor_verdict judge_failure(enum podlogin_status status, const char *detail)
{
    static const struct {
        const char *symptom;
        enum exit_code code;
    } table[] = {
        {"cannot read", EXIT_CODE_CONFIG},  {"CA file", EXIT_CODE_CONFIG},
        {"HTTP 401", EXIT_CODE_REFUSED},    {"HTTP 403", EXIT_CODE_REFUSED},
        {"certificate", EXIT_CODE_REFUSED},
    };
    enum exit_code code = EXIT_CODE_UNREACHABLE;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (code == EXIT_CODE_UNREACHABLE && strstr(detail, table[i].symptom))
            code = table[i].code;
    return DOCTOR_FAILS(code, remedy_find(status, detail));
}

struct doctor_verdict judge_namespace(const json_t *namespace, const char **ret_level)
{
    const json_t *labels = json_object_get(json_object_get(namespace, "metadata"), "labels");
    const char *level = json_member_string(labels, "pod-security.kubernetes.io/enforce");

    *ret_level = level ? level : "";
    if (!level || strcmp(level, "privileged") == 0)
        return DOCTOR_PASSES;
    return DOCTOR_FAILS(EXIT_CODE_CONFIG, "let jobs run in a namespace with the label "
                                          "pod-security.kubernetes.io/enforce=privileged");
}
