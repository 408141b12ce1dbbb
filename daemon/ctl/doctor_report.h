/* What podloginctl doctor found: one line for each check. */
#ifndef CTL_DOCTOR_REPORT_H
#define CTL_DOCTOR_REPORT_H

#include <jansson.h>

#include "protocol/status.h"

enum doctor_result {
    DOCTOR_OK,
    DOCTOR_SKIPPED, /* it could not be looked at */
    DOCTOR_WARNING, /* the daemon does its job, but not as well or as safely as it could */
    DOCTOR_FAILED,
    DOCTOR_RESULTS,
};

/* Initially zero but for lines. */
struct doctor_report {
    json_t *lines; /* {"check":, "result":, "detail":, "remedy":} */
    size_t n[DOCTOR_RESULTS];
    enum exit_code code; /* of the gravest failure; EXIT_CODE_OK: there is none */
};

/* What the line of a check says besides its detail. */
struct doctor_verdict {
    enum doctor_result result;
    enum exit_code code; /* with DOCTOR_FAILED */
    const char *remedy;  /* NULL: nothing needs to be done */
};

#define DOCTOR_PASSES                                                                              \
    (struct doctor_verdict)                                                                        \
    {                                                                                              \
        DOCTOR_OK, EXIT_CODE_OK, NULL                                                              \
    }
#define DOCTOR_SKIPS(remedy)                                                                       \
    (struct doctor_verdict)                                                                        \
    {                                                                                              \
        DOCTOR_SKIPPED, EXIT_CODE_OK, remedy                                                       \
    }
#define DOCTOR_WARNS(remedy)                                                                       \
    (struct doctor_verdict)                                                                        \
    {                                                                                              \
        DOCTOR_WARNING, EXIT_CODE_OK, remedy                                                       \
    }
#define DOCTOR_FAILS(code, remedy)                                                                 \
    (struct doctor_verdict)                                                                        \
    {                                                                                              \
        DOCTOR_FAILED, code, remedy                                                                \
    }

/* Adds a line in the manner of printf(3). @check: the name of the check. */
__attribute__((format(printf, 4, 5))) void doctor_add(struct doctor_report *report,
                                                      const char *check,
                                                      struct doctor_verdict verdict,
                                                      const char *format, ...);

/* Prints all lines, and how many there are of each result. Returns the exit code. */
int doctor_print(const struct doctor_report *report, bool is_json);

#endif
