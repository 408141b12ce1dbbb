/*
 * podloginctl issuer: registers the issuer of a cluster with Pulumi Cloud, and keeps its
 * authorization policies as the rules of the services are. Nothing is changed without --yes.
 */
#ifndef ISSUER_ISSUER_H
#define ISSUER_ISSUER_H

#include "cloud/auth_policy.h"
#include "cloud/cloud.h"
#include "cloud/site.h"
#include "ctl/ctl.h"

#define ISSUER "issuer" /* the command */

#define THUMBPRINTS_MAX 8
#define THUMBPRINT_SIZE 65 /* a SHA-256 in hexadecimal, with the NUL */

/* Something differs from what it should be, or lint has found something. */
#define EXIT_CODE_DIFFERS ((enum exit_code)1)

struct thumbprints {
    char list[THUMBPRINTS_MAX][THUMBPRINT_SIZE];
    size_t n;
};

struct issuer_options {
    const char *issuer; /* the name of its file; NULL: the only one */
    const char *config;
    const char *organization;
    const char *access_token_file;
    bool is_json;
    bool is_confirmed; /* --yes */
    bool is_pruned;
    const char *name;
    uint64_t max_expiration_s; /* 0: from the services */
    struct thumbprints thumbprints;
    const char *jwks;
    const char *policies;
    const char *serviceaccount;
    const char *account;
    const char *role;
    const char *cluster;
};

struct issuer_command {
    struct issuer_options options;
    const struct config *config;
    struct site site;
    struct cloud cloud; /* after issuer_connect() */
};

/* What the commands do, and with which options. They return the exit code. */
int issuer_register(struct issuer_command *command);
int issuer_show(struct issuer_command *command);
int issuer_remove(struct issuer_command *command);
int issuer_policy_diff(struct issuer_command *command);
int issuer_policy_apply(struct issuer_command *command);
int issuer_policy_lint(struct issuer_command *command);
int issuer_print_pulumi(struct issuer_command *command);
int issuer_print_iam(struct issuer_command *command);
int issuer_print_serviceaccount(struct issuer_command *command);
int issuer_print_eks(struct issuer_command *command);

/* Prints a sentence on standard error, in the manner of printf(3). Returns @code. */
#define issuer_fail(code, ...) ctl_fail(code, ISSUER, __VA_ARGS__)

/* Reads the administrator's access token. Returns EXIT_CODE_OK, or prints the error. */
int issuer_connect(struct issuer_command *command);

/* Makes a call like cloud_call(). Returns EXIT_CODE_OK, or prints the error. */
int issuer_call(struct issuer_command *command, const char *method, const char *path,
                const json_t *body, json_t **ret_answer);

/*
 * Makes a call about an issuer or a policy: @id_of has the id that follows @path and a slash.
 */
int issuer_call_about(struct issuer_command *command, const char *method, const char *path,
                      const json_t *id_of, const json_t *body, json_t **ret_answer);

/* Finds the registration like cloud_issuer(). Returns EXIT_CODE_OK, or prints the error. */
int issuer_find(struct issuer_command *command, json_t **ret_issuer);

/*
 * Gets the policies of a registration.
 *
 * @ret_policy: as the REST interface has them; the caller releases it.
 * @ret_actual: released with auth_policies_done(); set in each case.
 *
 * Returns EXIT_CODE_OK, or prints the error.
 */
int issuer_policies(struct issuer_command *command, const json_t *issuer, json_t **ret_policy,
                    struct auth_policies *ret_actual);

/* Derives the policies of the services. Returns EXIT_CODE_OK, or prints the error. */
int issuer_derive(struct issuer_command *command, struct auth_policies *ret_derived);

/* Prints "issuer eks (https://...) in organization acme". */
void issuer_print_title(const struct issuer_command *command);

/* Prints a policy: a title, with @remark behind it, and a line for each rule. */
void issuer_print_policy(char mark, const struct auth_policy *policy, const char *remark);

/* Prints text of others, whose control characters must not control the terminal. */
void issuer_print_text(const char *text);

/* Prints @before, @text as a string of JSON, which is one of YAML, too, and a newline. */
void issuer_print_string(const char *before, const char *text);

/* Prints JSON on standard output. Returns the exit code. */
int issuer_print_json(const json_t *json);

/*
 * Reads a file as JSON. Returns it, which the caller releases; or NULL, with the exit code
 * EXIT_CODE_CONFIG, after printing the error.
 */
json_t *issuer_read_json(const char *path, size_t max);

#endif
