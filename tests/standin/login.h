/* What all upstreams do with a login, the exchange of a subject token for a token of their own. */
#ifndef STANDIN_LOGIN_H
#define STANDIN_LOGIN_H

struct request;
struct standin;

/*
 * Counts and records a complete request, whose body is parsed. The answer may come much later.
 *
 * @kind:  the name of the upstream's kind.
 * @token: the subject token, as far as there is one; or NULL.
 */
void login_receive(struct standin *standin, const struct request *request, const char *kind,
                   const char *token);

/* Counts the end of a request, whether it was answered or not. */
void login_finish(struct standin *standin);

#endif
