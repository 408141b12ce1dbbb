/* Reads and checks single files: podlogind.conf, issuers.d/NAME.conf, services.d/NAME.conf. */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include "config/config.h"

/*
 * Each reads the file at @path into its struct, which the caller has initialized with defaults, and
 * frees, also on failure. What is wrong is added to the findings; the struct is then incomplete.
 * daemon_file_read() calls findings_begin(); for the others, the caller has done so.
 *
 * Returns 0, also if there are errors; or -ENOMEM.
 */
int daemon_file_read(const char *path, struct config *config, struct findings *findings);
int issuer_file_read(const char *path, struct issuer_config *issuer, struct findings *findings);
int service_file_read(const char *path, struct service *service, struct findings *findings);

#endif
