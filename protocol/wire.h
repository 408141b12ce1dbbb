/*
 * The wire format: frames of tagged fields. docs/protocol.md is the specification.
 *
 * A message is a C struct and a table of its fields. Encoding and decoding use the same table, so a
 * field is read as it was written. Decoded bytes and strings point into the frame and are valid as
 * long as the frame is; nothing is copied or allocated.
 */
#ifndef PROTOCOL_WIRE_H
#define PROTOCOL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_VERSION     1
#define WIRE_HEADER_SIZE 8  /* u32 payload length, u8 version, u8 type, u16 id; big endian */
#define WIRE_FIELD_SIZE  4  /* u8 tag, u24 length */
#define WIRE_LIST_MAX    64 /* strings in one list */

/* A receiver skips a field with an unknown tag if the tag has this bit, else refuses the frame. */
#define WIRE_TAG_OPTIONAL 0x80

struct wire_bytes {
    const uint8_t *at;
    size_t len;
};

struct wire_list {
    struct wire_bytes item[WIRE_LIST_MAX];
    size_t n;
};

enum wire_type {
    WIRE_U32,    /* uint32_t */
    WIRE_U64,    /* uint64_t */
    WIRE_BYTES,  /* struct wire_bytes */
    WIRE_STRING, /* struct wire_bytes without control characters; empty counts as absent */
    WIRE_LIST,   /* struct wire_list: the field is repeated, with one string each */
};

struct wire_field {
    uint8_t tag;
    enum wire_type type;
    bool is_required;
    uint64_t max;  /* greatest number, or greatest length in bytes */
    size_t offset; /* into the struct */
};

struct wire_message {
    uint8_t type;
    const char *name;
    size_t size; /* of the struct */
    size_t payload_max;
    const struct wire_field *fields; /* ascending tags */
    size_t n_fields;
};

struct wire_header {
    uint32_t payload_len;
    uint8_t version;
    uint8_t type;
    uint16_t id;
};

/* Reads a header. Any bytes are a header; the caller checks its values. */
void wire_header_read(const uint8_t bytes[WIRE_HEADER_SIZE], struct wire_header *ret_header);

/*
 * Writes a whole frame, header and payload, into @buf of @size bytes.
 *
 * @values:  the struct of @message.
 * @ret_len: the length of the frame; set on success only.
 *
 * Returns 0; -ENOBUFS if @size or the payload limit of @message is too small; -EINVAL if a value
 * does not fit the table, which is an error in the caller.
 */
int wire_encode(const struct wire_message *message, uint16_t id, const void *values, uint8_t *buf,
                size_t size, size_t *ret_len);

/* The length of the frame that wire_encode() would write, if no value breaks the table. */
size_t wire_size(const struct wire_message *message, const void *values);

/* Writes the header of a frame of this version. */
void wire_header_write(uint8_t bytes[WIRE_HEADER_SIZE], uint32_t payload_len, uint8_t type,
                       uint16_t id);

/* Replaces the id of the encoded frame @frame. */
void wire_set_id(uint8_t *frame, uint16_t id);

/* Gives the field @tag of an encoded frame, a u32, another value. False: it has no such field. */
bool wire_set_u32(uint8_t *frame, uint8_t tag, uint32_t number);

/*
 * Reads @len bytes of @payload into @ret_values, the struct of @message, which is zeroed first.
 *
 * Returns 0, or -EBADMSG: the payload is truncated or has trailing bytes, tags are out of order or
 * repeated, a number or a length exceeds its limit, a string has a control character, a required
 * field is missing or empty, or a tag is unknown and lacks WIRE_TAG_OPTIONAL. After an error
 * @ret_values may hold some of the fields.
 */
int wire_decode(const struct wire_message *message, const uint8_t *payload, size_t len,
                void *ret_values);

/* Returns @len bytes at @at. */
static inline struct wire_bytes wire_bytes(const void *at, size_t len)
{
    return (struct wire_bytes){.at = at, .len = len};
}

/* Returns the bytes of a C string without its NUL; none if @string is NULL. */
struct wire_bytes wire_string(const char *string);

/* Returns whether @bytes are those of the C string @string. */
bool wire_bytes_equal(struct wire_bytes bytes, const char *string);

#endif
