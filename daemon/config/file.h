/* One file of the configuration each: podlogind.conf, issuers.d/NAME.conf, services.d/NAME.conf. */
#ifndef FILE_H
#define FILE_H

#include "config/config.h"

int daemon_file_read(const char *path, struct config *config, char ret_error[INI_ERROR_MAX]);
int issuer_file_read(const char *path, struct issuer_config *issuer, char ret_error[INI_ERROR_MAX]);
int service_file_read(const char *path, struct service *service, char ret_error[INI_ERROR_MAX]);

#endif
