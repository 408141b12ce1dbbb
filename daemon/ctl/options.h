/* Options of podloginctl's commands: one table each, one parser for all. */
#ifndef OPTIONS_H
#define OPTIONS_H

struct ctl_option {
    const char *name; /* "--name"; NULL at the end of a table */
    const char *help; /* "--name VALUE ..." and what it does */

    /* Returns 0, or an exit code, and has said why. @value: NULL, if the option takes none. */
    int (*set)(const char *command, const char *value, void *target);
    void *target;
};

struct ctl_usage {
    const char *command; /* "verify" */
    const char *summary; /* the lines before the options */
};

/*
 * Reads the arguments of a command. Returns -1 to go on, or the exit code: an option was wrong, or
 * --help was asked for.
 */
int ctl_read_options(int argc, char **argv, const struct ctl_usage *usage,
                     const struct ctl_option *options);

/* For ctl_option.set: a const char *, and a bool for an option without a value. */
int ctl_set_text(const char *command, const char *value, void *target);
int ctl_set_flag(const char *command, const char *value, void *target);

#endif
