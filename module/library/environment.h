/* The settings in the environment, which the setters of the library and the options override. */
#ifndef LIBRARY_ENVIRONMENT_H
#define LIBRARY_ENVIRONMENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct environment {
    const char *service; /* the caller checks it if it uses it */
    const char *socket;
    uint32_t min_ttl_s;
    uint32_t timeout_ms;
    uid_t server_uid;
};

struct environment_fault {
    const char *name;
    const char *value;
    const char *problem; /* "not a path of at most 107 bytes" */
};

/*
 * Returns the value of a variable; NULL if it is empty or not set, and in a program that has more
 * privileges than its caller, whose environment it is.
 */
const char *environment_value(const char *name);

/* Returns the settings that stand if no variable is set. */
struct environment environment_default(void);

/*
 * Changes the setting of the variable @name, which is one of the table, such as "PODLOGIN_SOCKET".
 *
 * Returns NULL, or what is wrong with @value: "not a path of at most 107 bytes".
 */
const char *environment_set(struct environment *environment, const char *name, const char *value);

/*
 * Reads the variables; the defaults stand for those that are not set.
 *
 * @ret_fault: the first variable that is not valid; set on failure only.
 *
 * Returns whether all are valid.
 */
bool environment_read(struct environment *ret_environment, struct environment_fault *ret_fault);

#endif
