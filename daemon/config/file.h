/* Reads and checks single files: podlogind.conf, issuers.d/NAME.conf, services.d/NAME.conf. */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include "config/config.h"

/*
 * Each reads the file at @path into its struct, which the caller has initialized with defaults, and
 * frees, also on failure. service_file_read() does not look up the issuer.
 *
 * Returns 0, or -errno with an error as that of ini_read_file().
 */
int daemon_file_read(const char *path, struct config *config, char ret_error[INI_ERROR_MAX]);
int issuer_file_read(const char *path, struct issuer_config *issuer, char ret_error[INI_ERROR_MAX]);
int service_file_read(const char *path, struct service *service, char ret_error[INI_ERROR_MAX]);

#endif
