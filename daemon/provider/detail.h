/* What went wrong, in the words of a server: fit for a log, and without secrets. */
#ifndef DETAIL_H
#define DETAIL_H

#define DETAIL_SIZE 256

/*
 * Appends @text of a server to @detail, a C string in DETAIL_SIZE bytes; what does not fit is cut.
 * Control characters and what is not ASCII become '?', and a long unbroken run is left out, since a
 * server may quote the JWT that it was sent.
 */
void detail_add(char detail[DETAIL_SIZE], const char *text);
void detail_add_number(char detail[DETAIL_SIZE], const char *before, long number);

#endif
