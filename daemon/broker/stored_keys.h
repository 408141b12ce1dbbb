/*
 * Issuers' key sets on the disk, so that a daemon that starts while an issuer is down can verify
 * tokens. They lie in rows as tokens do: sealed, which is what makes them worth believing, and for
 * no longer than they may be used.
 */
#ifndef STORED_KEYS_H
#define STORED_KEYS_H

#include "broker/broker.h"

/* Hands what is there to the issuers, and writes what they fetch from now on. */
void stored_keys_begin(struct broker *broker);

/*
 * Takes over a record that holds keys, and hands them to their issuer. Returns false if it holds
 * something else: then it is left alone.
 */
bool stored_keys_take(struct broker *broker, const struct digest *key, struct record *record);

#endif
