#include "standin/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#define RSA_BITS_DEFAULT 2048
#define RSA_BITS_MIN     1024
#define RSA_BITS_MAX     8192

const char options_usage[] =
    "Usage: podlogin-standin --directory DIR [OPTION]...\n"
    "Stands in for a cluster's OIDC issuer, for Pulumi Cloud and other upstreams, on loopback.\n"
    "\n"
    "  --directory DIR     where ca.pem and standin.json are written\n"
    "  --issuer-port N     ports; without them the kernel chooses\n"
    "  --upstream-port N\n"
    "  --control-port N\n"
    "  --rsa-bits N        size of RSA keys (default 2048)\n"
    "  --die-with-parent   end when the thread that started this program ends\n"
    "  --help              print this and exit\n";

/* What getopt_long() returns: an enum listener_id for the port of a listener, or one of these. */
enum option_id {
    OPTION_DIRECTORY = LISTENERS,
    OPTION_RSA_BITS,
    OPTION_DIE_WITH_PARENT,
    OPTION_HELP,
    OPTIONS,
};

/* Fills @table, whose end is marked by an entry of zeros. */
static void table_fill(struct option table[OPTIONS + 1])
{
    static const struct option others[] = {
        {"directory", required_argument, NULL, OPTION_DIRECTORY},
        {"rsa-bits", required_argument, NULL, OPTION_RSA_BITS},
        {"die-with-parent", no_argument, NULL, OPTION_DIE_WITH_PARENT},
        {"help", no_argument, NULL, OPTION_HELP},
    };

    for (int i = 0; i < LISTENERS; i++)
        if (listener_kinds[i].port_option)
            *table++ = (struct option){listener_kinds[i].port_option, required_argument, NULL, i};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        *table++ = others[i];
}

static int number_read(const char *text, long min, long max, long *ret_number)
{
    char *end = NULL;
    long number = strtol(text, &end, 10);

    if (*text == '\0' || *end != '\0' || number < min || number > max)
        return -EINVAL;
    *ret_number = number;
    return 0;
}

static int option_apply(struct options *options, int option)
{
    long number = 0;
    int r = 0;

    switch (option) {
    case OPTION_DIRECTORY:
        options->directory = optarg;
        break;
    case OPTION_RSA_BITS:
        r = number_read(optarg, RSA_BITS_MIN, RSA_BITS_MAX, &number);
        options->rsa_bits = (int)number;
        break;
    case OPTION_DIE_WITH_PARENT:
        options->dies_with_parent = true;
        break;
    case OPTION_HELP:
        options->has_help = true;
        break;
    default:
        if (option >= LISTENERS) /* '?': unknown, or without its argument */
            return -EINVAL;
        r = number_read(optarg, 0, UINT16_MAX, &number);
        options->ports[option] = (uint16_t)number;
    }
    return r;
}

int options_read(int argc, char **argv, struct options *ret_options)
{
    struct option table[OPTIONS + 1] = {0};
    struct options options = {.rsa_bits = RSA_BITS_DEFAULT};
    int option;

    table_fill(table);
    while (!options.has_help && (option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        int r = option_apply(&options, option);

        if (r < 0)
            return r;
    }
    if (!options.has_help && (optind != argc || !options.directory))
        return -EINVAL;
    *ret_options = options;
    return 0;
}
