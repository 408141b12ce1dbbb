/* The options of podloginctl's commands: one table for each command, one parser for all. */
#ifndef CTL_OPTIONS_H
#define CTL_OPTIONS_H

struct ctl_option {
    const char *name; /* without "--"; NULL at the end of a table */
    const char *help; /* "name VALUE" and what it does */

    /*
     * Stores the option. Returns 0, or an exit code after printing the error. value: NULL if set is
     * ctl_set_flag.
     */
    int (*set)(const char *command, const char *value, void *target);
    void *target;
};

struct ctl_usage {
    const char *command;   /* "verify" */
    const char *summary;   /* the text before the options */
    const char **argument; /* set to the argument that is not an option; NULL: there is none */
    const char *input;     /* where the token is read from: "standard input" */
};

/*
 * Reads the arguments of a command. Returns -1 if the command should go on; otherwise the exit
 * code: an argument is not valid, or --help was printed.
 */
int ctl_read_options(int argc, char **argv, const struct ctl_usage *usage,
                     const struct ctl_option *options);

/*
 * For ctl_option.set. The target is a const char * for ctl_set_text(), a bool for ctl_set_flag(),
 * whose options take no value.
 */
int ctl_set_text(const char *command, const char *value, void *target);
int ctl_set_flag(const char *command, const char *value, void *target);

#endif
