/*
 * Issuers' key sets on the disk, so that a daemon that starts while an issuer is down can verify
 * tokens. They are stored in rows like tokens: sealed, so they can be trusted, and for no longer
 * than they may be used.
 */
#ifndef BROKER_STORED_KEYS_H
#define BROKER_STORED_KEYS_H

#include "broker/broker.h"

/* Hands stored key sets to their issuers, and stores the key sets that they fetch from now on. */
void stored_keys_begin(struct broker *broker);

/*
 * Takes over a record with a key set, and hands it to its issuer, if that is configured. Returns
 * false if @record holds something else, and then leaves it alone.
 */
bool stored_keys_take(struct broker *broker, const struct digest *key, struct record *record);

/*
 * Writes the keys of the rows of all issuers into @ret_keys, which has room for one of each.
 * Returns how many they are.
 */
size_t stored_keys_rows(struct broker *broker, struct digest *ret_keys);

#endif
