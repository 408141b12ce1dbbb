#include "ctl/doctor_report.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "ctl/daemon.h"

static const char *const names[DOCTOR_RESULTS] = {
    [DOCTOR_OK] = "ok",
    [DOCTOR_SKIPPED] = "skipped",
    [DOCTOR_WARNING] = "warning",
    [DOCTOR_FAILED] = "failed",
};

/* The graver an exit code is, the greater is its number: 78, 77, 70, 69. */
void doctor_add(struct doctor_report *report, const char *check, struct doctor_verdict verdict,
                const char *format, ...)
{
    CLEANUP(freep)
    char *detail = NULL;
    va_list args;
    int len;

    va_start(args, format);
    len = vasprintf(&detail, format, args);
    va_end(args);
    if (len < 0)
        return;
    report->n[verdict.result]++;
    if (verdict.code > report->code)
        report->code = verdict.code;
    for (char *at = detail; *at; at++) /* text of others must not control the terminal */
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    json_array_append_new(report->lines, json_pack("{s:s, s:s, s:s+, s:s?}", "check", check,
                                                   "result", names[verdict.result], "detail",
                                                   detail, "", "remedy", verdict.remedy));
}

static void print_line(const json_t *line)
{
    const char *remedy = json_member_string(line, "remedy");

    printf("%-8s %-18s %s%s%s\n", json_member_string(line, "result"),
           json_member_string(line, "check"), json_member_string(line, "detail"),
           remedy ? "; remedy: " : "", remedy ? remedy : "");
}

int doctor_print(const struct doctor_report *report, bool is_json)
{
    json_t *line;
    size_t i;

    if (is_json) {
        CLEANUP(json_decrefp)
        json_t *whole = json_pack("{s:i, s:O}", "exit_code", report->code, "checks", report->lines);
        int code = ctl_print_json("doctor", whole);

        return code == EXIT_CODE_OK ? (int)report->code : code;
    }
    json_array_foreach(report->lines, i, line) print_line(line);
    printf("\n%zu ok, %zu warnings, %zu failed, %zu skipped\n", report->n[DOCTOR_OK],
           report->n[DOCTOR_WARNING], report->n[DOCTOR_FAILED], report->n[DOCTOR_SKIPPED]);
    return report->code;
}
