/* How clients learn that the stand-in is ready, and where its listeners are. */
#ifndef STANDIN_ANNOUNCE_H
#define STANDIN_ANNOUNCE_H

struct ca;
struct standin;

/*
 * Writes ca.pem, server.pem and standin.json into @directory, and prints the line of standin.json.
 *
 * Returns 0 or -errno: -EILSEQ when the path of the directory is not UTF-8.
 */
int announce(const struct standin *standin, const char *directory, const struct ca *ca);

#endif
