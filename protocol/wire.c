/* Encodes and decodes frames by the tables of messages. */
#include "protocol/wire.h"

#include <errno.h>
#include <string.h>

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool broken;
};

/* Returns the next @len bytes of the peer; NULL if there are fewer, and in all later calls. */
static const uint8_t *reader_take(struct reader *reader, size_t len)
{
    const uint8_t *bytes = reader->at;

    if (reader->broken || len > (size_t)(reader->end - reader->at)) {
        reader->broken = true;
        return NULL;
    }
    reader->at += len;
    return bytes;
}

static uint64_t number_read(const uint8_t *bytes, size_t len)
{
    uint64_t number = 0;

    for (size_t i = 0; i < len; i++)
        number = number << 8 | bytes[i];
    return number;
}

static void number_write(uint8_t *bytes, size_t len, uint64_t number)
{
    for (size_t i = len; i-- > 0; number >>= 8)
        bytes[i] = (uint8_t)number;
}

static size_t number_size(enum wire_type type)
{
    return type == WIRE_U32 ? 4 : 8;
}

static bool is_number(enum wire_type type)
{
    return type == WIRE_U32 || type == WIRE_U64;
}

/* A control character could forge a line in a log or on a terminal; a NUL could cut a C string. */
static bool is_text(struct wire_bytes bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.at[i] < 0x20 || bytes.at[i] == 0x7f)
            return false;
    return true;
}

void wire_header_read(const uint8_t bytes[WIRE_HEADER_SIZE], struct wire_header *ret_header)
{
    ret_header->payload_len = (uint32_t)number_read(bytes, 4);
    ret_header->version = bytes[4];
    ret_header->type = bytes[5];
    ret_header->id = (uint16_t)number_read(bytes + 6, 2);
}

static int field_put(uint8_t **at, const uint8_t *end, const struct wire_field *field,
                     struct wire_bytes value)
{
    if (value.len > field->max || (field->type != WIRE_BYTES && !is_text(value)))
        return -EINVAL;
    if ((size_t)(end - *at) < WIRE_FIELD_SIZE + value.len)
        return -ENOBUFS;
    (*at)[0] = field->tag;
    number_write(*at + 1, 3, value.len);
    if (value.len)
        memcpy(*at + WIRE_FIELD_SIZE, value.at, value.len);
    *at += WIRE_FIELD_SIZE + value.len;
    return 0;
}

static int number_put(uint8_t **at, const uint8_t *end, const struct wire_field *field,
                      uint64_t number)
{
    size_t len = number_size(field->type);

    if (number == 0 && !field->is_required)
        return 0;
    if (number > field->max)
        return -EINVAL;
    if ((size_t)(end - *at) < WIRE_FIELD_SIZE + len)
        return -ENOBUFS;
    (*at)[0] = field->tag;
    number_write(*at + 1, 3, len);
    number_write(*at + WIRE_FIELD_SIZE, len, number);
    *at += WIRE_FIELD_SIZE + len;
    return 0;
}

static int field_encode(uint8_t **at, const uint8_t *end, const struct wire_field *field,
                        const void *value)
{
    const struct wire_list *list = value;
    const struct wire_bytes *bytes = value;
    int r = 0;

    switch (field->type) {
    case WIRE_U32:
        return number_put(at, end, field, *(const uint32_t *)value);
    case WIRE_U64:
        return number_put(at, end, field, *(const uint64_t *)value);
    case WIRE_LIST:
        for (size_t i = 0; i < list->n && r == 0; i++)
            r = field_put(at, end, field, list->item[i]);
        return r;
    case WIRE_BYTES:
    case WIRE_STRING:
        break;
    }
    if (bytes->len == 0)
        return field->is_required ? -EINVAL : 0;
    return field_put(at, end, field, *bytes);
}

void wire_header_write(uint8_t bytes[WIRE_HEADER_SIZE], uint32_t payload_len, uint8_t type,
                       uint16_t id)
{
    number_write(bytes, 4, payload_len);
    bytes[4] = WIRE_VERSION;
    bytes[5] = type;
    wire_set_id(bytes, id);
}

int wire_encode(const struct wire_message *message, uint16_t id, const void *values, uint8_t *buf,
                size_t size, size_t *ret_len)
{
    uint8_t *at = buf + WIRE_HEADER_SIZE;
    const uint8_t *end;
    int r;

    if (size < WIRE_HEADER_SIZE)
        return -ENOBUFS;
    if (size - WIRE_HEADER_SIZE > message->payload_max)
        size = message->payload_max + WIRE_HEADER_SIZE;
    end = buf + size;
    for (size_t i = 0; i < message->n_fields; i++) {
        const struct wire_field *field = &message->fields[i];

        r = field_encode(&at, end, field, (const uint8_t *)values + field->offset);
        if (r < 0)
            return r;
    }
    wire_header_write(buf, (uint32_t)(at - buf) - WIRE_HEADER_SIZE, message->type, id);
    *ret_len = (size_t)(at - buf);
    return 0;
}

static size_t field_size(const struct wire_field *field, const void *value)
{
    const struct wire_list *list = value;
    const struct wire_bytes *bytes = value;
    size_t size = 0;
    uint64_t number;

    switch (field->type) {
    case WIRE_U32:
    case WIRE_U64:
        number = field->type == WIRE_U32 ? *(const uint32_t *)value : *(const uint64_t *)value;
        return number || field->is_required ? WIRE_FIELD_SIZE + number_size(field->type) : 0;
    case WIRE_LIST:
        for (size_t i = 0; i < list->n; i++)
            size += WIRE_FIELD_SIZE + list->item[i].len;
        return size;
    case WIRE_BYTES:
    case WIRE_STRING:
        break;
    }
    return bytes->len ? WIRE_FIELD_SIZE + bytes->len : 0;
}

size_t wire_size(const struct wire_message *message, const void *values)
{
    size_t size = WIRE_HEADER_SIZE;

    for (size_t i = 0; i < message->n_fields; i++)
        size +=
            field_size(&message->fields[i], (const uint8_t *)values + message->fields[i].offset);
    return size;
}

void wire_set_id(uint8_t *frame, uint16_t id)
{
    number_write(frame + 6, 2, id);
}

bool wire_set_u32(uint8_t *frame, uint8_t tag, uint32_t number)
{
    uint8_t *end = frame + WIRE_HEADER_SIZE + number_read(frame, 4);
    uint8_t *at = frame + WIRE_HEADER_SIZE;

    while (at + WIRE_FIELD_SIZE <= end && at[0] != tag)
        at += WIRE_FIELD_SIZE + number_read(at + 1, 3);
    if (at + WIRE_FIELD_SIZE + 4 > end || number_read(at + 1, 3) != 4)
        return false;
    number_write(at + WIRE_FIELD_SIZE, 4, number);
    return true;
}

static int field_decode(const struct wire_field *field, struct wire_bytes bytes, void *ret_value)
{
    if (is_number(field->type)) {
        if (bytes.len != number_size(field->type) || number_read(bytes.at, bytes.len) > field->max)
            return -EBADMSG;
        if (field->type == WIRE_U32)
            *(uint32_t *)ret_value = (uint32_t)number_read(bytes.at, bytes.len);
        else
            *(uint64_t *)ret_value = number_read(bytes.at, bytes.len);
        return 0;
    }
    if (bytes.len > field->max || (field->type != WIRE_BYTES && !is_text(bytes)) ||
        (bytes.len == 0 && field->is_required))
        return -EBADMSG;
    if (field->type == WIRE_LIST) {
        struct wire_list *list = ret_value;

        if (list->n == WIRE_LIST_MAX)
            return -EBADMSG;
        list->item[list->n++] = bytes;
        return 0;
    }
    *(struct wire_bytes *)ret_value = bytes;
    return 0;
}

/* Moves *i to the field of @tag. Returns 1; 0 if there is none; -EBADMSG if a required one is
 * missing. */
static int field_find(const struct wire_message *message, size_t *i, uint8_t tag)
{
    for (; *i < message->n_fields && message->fields[*i].tag < tag; (*i)++)
        if (message->fields[*i].is_required)
            return -EBADMSG;
    return *i < message->n_fields && message->fields[*i].tag == tag;
}

static int field_read(struct reader *reader, uint8_t *ret_tag, struct wire_bytes *ret_bytes)
{
    const uint8_t *head = reader_take(reader, WIRE_FIELD_SIZE);
    size_t len = head ? number_read(head + 1, 3) : 0;
    const uint8_t *at = reader_take(reader, len);

    if (!at)
        return -EBADMSG;
    *ret_tag = head[0];
    *ret_bytes = wire_bytes(at, len);
    return 0;
}

int wire_decode(const struct wire_message *message, const uint8_t *payload, size_t len,
                void *ret_values)
{
    struct reader reader = {.at = payload, .end = payload + len};
    size_t i = 0;
    int last_tag = -1;
    bool last_repeats = false;

    if (len > message->payload_max)
        return -EBADMSG;
    memset(ret_values, 0, message->size);
    while (reader.at < reader.end) {
        struct wire_bytes bytes;
        uint8_t tag;
        int r;

        r = field_read(&reader, &tag, &bytes);
        if (r < 0)
            return r;
        if (tag < last_tag || (tag == last_tag && !last_repeats))
            return -EBADMSG;
        /* another tag ends the previous field, which was present and so is not missing */
        if (tag > last_tag && i < message->n_fields && message->fields[i].tag == last_tag)
            i++;
        r = field_find(message, &i, tag);
        if (r < 0)
            return r;
        if (r == 0 && !(tag & WIRE_TAG_OPTIONAL))
            return -EBADMSG;
        last_repeats = r == 0 || message->fields[i].type == WIRE_LIST;
        last_tag = tag;
        if (r == 0)
            continue;
        r = field_decode(&message->fields[i], bytes,
                         (uint8_t *)ret_values + message->fields[i].offset);
        if (r < 0)
            return r;
    }
    if (i < message->n_fields && message->fields[i].tag == last_tag)
        i++;
    return field_find(message, &i, UINT8_MAX) < 0 ? -EBADMSG : 0;
}

struct wire_bytes wire_string(const char *string)
{
    return wire_bytes(string, string ? strlen(string) : 0);
}

bool wire_bytes_equal(struct wire_bytes bytes, const char *string)
{
    return bytes.len == strlen(string) && memcmp(bytes.at, string, bytes.len) == 0;
}
