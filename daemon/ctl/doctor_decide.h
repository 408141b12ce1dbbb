/* What podloginctl doctor decides about what it has seen; pure. */
#ifndef CTL_DOCTOR_DECIDE_H
#define CTL_DOCTOR_DECIDE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "ctl/doctor_report.h"

/*
 * Returns by how many seconds the clock of a server differs from this one: negative if the server's
 * is behind. @date_s: the time in its answer, whose request was sent at @before_s and which came at
 * @after_s.
 */
int64_t clock_skew_s(int64_t date_s, int64_t before_s, int64_t after_s);

/* Decides about a difference that clock_skew_s() returned. */
struct doctor_verdict judge_skew(int64_t skew_s);

/*
 * Finds a limit, such as "Max open files", in the text of /proc/PID/limits. UINT64_MAX means
 * unlimited.
 */
bool limit_read(const char *text, const char *name, uint64_t *ret_soft, uint64_t *ret_hard);

/* Finds a line of /proc/PID/status, such as "CapEff:", with a number in this base. */
bool process_status_read(const char *text, const char *name, int base, uint64_t *ret_number);

/*
 * Decides whether a runtime key was lost although the machine did not boot: a database that was
 * created since the boot is older than the key, which the daemon creates first. All are Unix times.
 */
bool key_was_lost(int64_t boot_s, int64_t database_born_s, int64_t key_changed_s);

/*
 * Decides about a request to an issuer, an upstream or the API server that failed with this detail;
 * @status: what clients get then. What the server refuses, or a server that TLS does not trust, is
 * EXIT_CODE_REFUSED; no answer, EXIT_CODE_UNREACHABLE; a file that cannot be read,
 * EXIT_CODE_CONFIG.
 */
struct doctor_verdict judge_failure(enum podlogin_status status, const char *detail);

/*
 * Decides whether pods of a namespace may mount the socket's directory from the node, by the
 * document of the namespace (v1, Namespace). @ret_level: what it enforces, or "".
 */
struct doctor_verdict judge_namespace(const json_t *namespace, const char **ret_level);

#endif
