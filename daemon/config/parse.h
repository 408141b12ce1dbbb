/*
 * Parsers of settings. Each stores a value in the member of a configuration that its name says, and
 * returns NULL; or what is expected, if the value is not valid: the member has then any value.
 */
#ifndef CONFIG_PARSE_H
#define CONFIG_PARSE_H

typedef const char *(*setting_parser)(const char *value, void *ret_member);

const char *parse_text(const char *value, void *ret_member);
const char *parse_path(const char *value, void *ret_member);
const char *parse_url(const char *value, void *ret_member);
const char *parse_complete_url(const char *value, void *ret_member); /* may have a query */
const char *parse_socket(const char *value, void *ret_member);
const char *parse_listen(const char *value, void *ret_member);
const char *parse_audience(const char *value, void *ret_member);
const char *parse_uid(const char *value, void *ret_member);
const char *parse_cache_key(const char *value, void *ret_member);
const char *parse_yes_or_no(const char *value, void *ret_member);
const char *parse_cache_rows(const char *value, void *ret_member);
const char *parse_limit(const char *value, void *ret_member);
const char *parse_burst(const char *value, void *ret_member);
const char *parse_timeout(const char *value, void *ret_member);
const char *parse_log_level(const char *value, void *ret_member);
const char *parse_review(const char *value, void *ret_member);
const char *parse_attestation(const char *value, void *ret_member);
const char *parse_algorithms(const char *value, void *ret_member);
const char *parse_provider(const char *value, void *ret_member);
const char *parse_share(const char *value, void *ret_member);

#endif
