/* Checks of what a configuration names: files that are there, and that others cannot write. */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

#include "config/config.h"

#define API_SERVER_DIRECTORY  "/var/run/secrets/kubernetes.io/serviceaccount" /* in each pod */
#define API_SERVER_URL        "https://kubernetes.default.svc"
#define API_SERVER_CA_FILE    API_SERVER_DIRECTORY "/ca.crt"
#define API_SERVER_TOKEN_FILE API_SERVER_DIRECTORY "/token"

#define REVIEW_INTERVAL_USEFUL_S 10 /* the API server's cache of valid tokens */

enum file_kind {
    FILE_KEYS,   /* read at start, or the daemon does not start */
    FILE_CA,     /* decides whom the daemon trusts, but may be mounted later */
    FILE_TOKEN,  /* may be mounted later; its owner is not checked: a changed token only fails */
    FILE_SECRET, /* may be mounted later; others should not be able to read it */
};

/*
 * Adds a finding if the file or directory @path could be written by a user other than root and the
 * daemon's: an error with PeerAttestation=enforce, or else a warning. What is mounted read-only may
 * have any mode. A file that is not there is not a finding.
 */
void check_owner(const struct config *config, struct findings *findings, int line,
                 const char *path);

/*
 * Checks the file that a setting names, and its owner unless it is a FILE_TOKEN. @path: NULL:
 * nothing to check.
 */
void check_file(const struct config *config, struct findings *findings, int line, const char *key,
                const char *path, enum file_kind kind);

/*
 * Checks the program of Command=, which runs elsewhere, maybe as another user: it must be
 * executable by somebody, and others must not be able to change it. @command: NULL: nothing to
 * check.
 */
void check_program(const struct config *config, struct findings *findings, int line,
                   const char *command);

/* Checks the owner of the socket's directory, if it exists. */
void check_socket(const struct config *config, struct findings *findings, int line);

/* Checks that the administrator's socket is not where pods can reach it. */
void check_admin_socket(const struct config *config, struct findings *findings, int line);

/* Checks that Audience= fits the provider's settings. */
void check_audience(const struct service *service, struct findings *findings, int line);

#endif
