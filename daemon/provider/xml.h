/*
 * Reads texts out of an untrusted XML document, with expat. Documents with a DTD are refused: no
 * entities of their own, and nothing is fetched.
 */
#ifndef PROVIDER_XML_H
#define PROVIDER_XML_H

#include <stddef.h>

#define XML_DEPTH_MAX 16
#define XML_PATH_MAX  256 /* bytes of the path of an element, with the NUL */

struct xml_value {
    const char *path; /* of an element: "Root/Child/Leaf"; prefixes of namespaces count */
    char *text;       /* its text; NULL: no such element */
    size_t len;
};

/*
 * Finds the texts of @n elements. An element that is there twice, or has elements, makes the
 * document invalid.
 *
 * @values: with a path and no text; on success, xml_values_done() frees the texts.
 *
 * Returns 0; -EBADMSG if the document is not well-formed or not valid in this sense, and no text is
 * set; or -ENOMEM.
 */
int xml_read(const void *document, size_t len, struct xml_value *values, size_t n);

/* Frees the texts. */
void xml_values_done(struct xml_value *values, size_t n);

#endif
