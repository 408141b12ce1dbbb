#include "provider/xml.h"

#include <errno.h>
#include <expat.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The state while a document is read. */
struct reader {
    XML_Parser parser;
    struct xml_value *values;
    size_t n_values;
    char path[XML_PATH_MAX];
    size_t lengths[XML_DEPTH_MAX]; /* of the paths of the elements around this one */
    size_t depth;
    struct xml_value *open; /* the value whose text is read; NULL: none */
    int error;
};

static void fail(struct reader *reader, int error)
{
    reader->error = error;
    XML_StopParser(reader->parser, XML_FALSE);
}

static struct xml_value *find(struct reader *reader)
{
    for (size_t i = 0; i < reader->n_values; i++)
        if (strcmp(reader->values[i].path, reader->path) == 0)
            return &reader->values[i];
    return NULL;
}

static void XMLCALL on_start(void *data, const XML_Char *name, const XML_Char **attributes)
{
    struct reader *reader = data;
    size_t at = strlen(reader->path), len = strlen(name);

    (void)attributes;
    if (reader->open || reader->depth == XML_DEPTH_MAX || at + len + 2 > XML_PATH_MAX) {
        fail(reader, -EBADMSG);
        return;
    }
    reader->lengths[reader->depth++] = at;
    if (at)
        reader->path[at++] = '/';
    memcpy(reader->path + at, name, len + 1);
    reader->open = find(reader);
    if (!reader->open)
        return;
    if (reader->open->text) {
        fail(reader, -EBADMSG);
        return;
    }
    reader->open->text = calloc(1, 1);
    if (!reader->open->text)
        fail(reader, -ENOMEM);
}

static void XMLCALL on_end(void *data, const XML_Char *name)
{
    struct reader *reader = data;

    (void)name;
    if (reader->error) /* expat ends an empty element even after the parser was stopped */
        return;
    reader->open = NULL;
    reader->path[reader->lengths[--reader->depth]] = '\0';
}

static void XMLCALL on_text(void *data, const XML_Char *text, int len)
{
    struct reader *reader = data;
    struct xml_value *value = reader->open;
    char *longer;

    if (!value)
        return;
    longer = realloc(value->text, value->len + (size_t)len + 1);
    if (!longer) {
        fail(reader, -ENOMEM);
        return;
    }
    memcpy(longer + value->len, text, (size_t)len);
    value->text = longer;
    value->len += (size_t)len;
    value->text[value->len] = '\0';
}

static void XMLCALL on_doctype(void *data, const XML_Char *name, const XML_Char *system_id,
                               const XML_Char *public_id, int has_internal_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal_subset;
    fail(data, -EBADMSG);
}

static int parse(struct reader *reader, const void *document, size_t len)
{
    enum XML_Status status;

    XML_SetUserData(reader->parser, reader);
    XML_SetElementHandler(reader->parser, on_start, on_end);
    XML_SetCharacterDataHandler(reader->parser, on_text);
    XML_SetStartDoctypeDeclHandler(reader->parser, on_doctype);
    status = XML_Parse(reader->parser, document, (int)len, XML_TRUE);
    if (reader->error)
        return reader->error;
    if (status == XML_STATUS_OK)
        return 0;
    return XML_GetErrorCode(reader->parser) == XML_ERROR_NO_MEMORY ? -ENOMEM : -EBADMSG;
}

int xml_read(const void *document, size_t len, struct xml_value *values, size_t n)
{
    struct reader reader = {.parser = XML_ParserCreate("UTF-8"), .values = values, .n_values = n};
    int r;

    if (!reader.parser)
        return -ENOMEM;
    r = parse(&reader, document, len);
    XML_ParserFree(reader.parser);
    if (r < 0)
        xml_values_done(values, n);
    return r;
}

void xml_values_done(struct xml_value *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(values[i].text);
        values[i].text = NULL;
        values[i].len = 0;
    }
}
