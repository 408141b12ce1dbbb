#include "base/json_value.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * A document while it is read. In its values, strings and names are offsets in the text until
 * finish().
 */
struct reader {
    const char *at, *end; /* the input that is left */
    char *text;           /* strings, unescaped, each with a NUL */
    uint32_t n_text;
    uint32_t n_values;
    struct json_value values[1 + JSON_MEMBERS_MAX];
    uint32_t n_names;
    uint64_t hashes[JSON_MEMBERS_MAX]; /* of the names in all open objects, outermost first */
};

/* Returns whether a byte of a string is copied as it is. */
static bool is_plain(char c)
{
    return c >= 0x20 && c != '"' && c != '\\' && (unsigned char)c < 0x80;
}

/*
 * Returns whether all eight bytes are plain. Each subtraction sets the highest bit of a byte that
 * is less than what is subtracted. May be false for plain bytes beside another one.
 */
static bool are_plain(const char *bytes)
{
    const uint64_t each = 0x0101010101010101;
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
    return !((word | (word - each * 0x20) | ((word ^ each * '"') - each) |
              ((word ^ each * '\\') - each)) &
             each * 0x80);
}

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\n' ||
                                        *reader->at == '\t' || *reader->at == '\r'))
        reader->at++;
}

/* Skips @c. Returns whether it is the next character. */
static bool skip(struct reader *reader, char c)
{
    if (reader->at == reader->end || *reader->at != c)
        return false;
    reader->at++;
    return true;
}

static bool is_digit(const struct reader *reader)
{
    return reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9';
}

static bool skip_digits(struct reader *reader)
{
    if (!is_digit(reader))
        return false;
    while (is_digit(reader))
        reader->at++;
    return true;
}

/* Reads the four digits of a \u escape. Returns -1 if they are not. */
static int hex_read(struct reader *reader)
{
    int value = 0;

    if (reader->end - reader->at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = *reader->at++;

        if (c >= '0' && c <= '9')
            value = value << 4 | (c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            value = value << 4 | ((c | 0x20) - 'a' + 10);
        else
            return -1;
    }
    return value;
}

/* Appends a character, which has no more bytes in UTF-8 than its escape. */
static void put_character(struct reader *reader, uint32_t c)
{
    char *to = reader->text + reader->n_text;

    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    reader->n_text = (uint32_t)(to - reader->text);
}

/* After "\u". NUL is refused, because C strings end with it. */
static bool unicode_read(struct reader *reader)
{
    int c = hex_read(reader), low;

    if (c <= 0 || (c >= 0xdc00 && c <= 0xdfff))
        return false;
    if (c >= 0xd800 && c <= 0xdbff) {
        if (!skip(reader, '\\') || !skip(reader, 'u'))
            return false;
        low = hex_read(reader);
        if (low < 0xdc00 || low > 0xdfff)
            return false;
        c = 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
    }
    put_character(reader, (uint32_t)c);
    return true;
}

/* At a backslash. */
static bool escape_read(struct reader *reader)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *found;

    reader->at++;
    if (reader->at == reader->end || !*reader->at)
        return false;
    if (skip(reader, 'u'))
        return unicode_read(reader);
    found = strchr(from, *reader->at++);
    if (found)
        put_character(reader, (uint32_t)(unsigned char)to[found - from]);
    return found;
}

/* Returns how many bytes the UTF-8 sequence at @at has (RFC 3629); 0: it is not valid. */
static size_t sequence_length(const unsigned char *at, size_t max)
{
    /* of the second byte, which rules out overlong forms, surrogates and what is over U+10FFFF */
    unsigned char least = 0x80, most = 0xbf;
    size_t len = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

    if (at[0] < 0xc2 || at[0] > 0xf4 || len > max)
        return 0;
    if (at[0] == 0xe0)
        least = 0xa0;
    else if (at[0] == 0xed)
        most = 0x9f;
    else if (at[0] == 0xf0)
        least = 0x90;
    else if (at[0] == 0xf4)
        most = 0x8f;
    if (at[1] < least || at[1] > most)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

static void copy(struct reader *reader, size_t len)
{
    memcpy(reader->text + reader->n_text, reader->at, len);
    reader->n_text += (uint32_t)len;
    reader->at += len;
}

/* Copies up to the next byte that is not plain. */
static void copy_plain(struct reader *reader)
{
    const char *at = reader->at;

    while (reader->end - at >= 8 && are_plain(at))
        at += 8;
    while (at < reader->end && is_plain(*at))
        at++;
    copy(reader, (size_t)(at - reader->at));
}

/* At a byte of a sequence, or at a control character, which is refused. */
static bool copy_sequence(struct reader *reader)
{
    size_t len =
        sequence_length((const unsigned char *)reader->at, (size_t)(reader->end - reader->at));

    copy(reader, len);
    return len > 0;
}

/* Reads a string after its opening quote. */
static bool string_read(struct reader *reader, uint32_t *ret_at)
{
    *ret_at = reader->n_text;
    for (;;) {
        copy_plain(reader);
        if (skip(reader, '"'))
            break;
        if (reader->at == reader->end ||
            !(*reader->at == '\\' ? escape_read(reader) : copy_sequence(reader)))
            return false;
    }
    reader->text[reader->n_text++] = '\0';
    return true;
}

/* FNV-1a. In 64 bits, names that are short enough for many members hardly collide, if chosen to. */
static uint64_t hash_of(const char *name)
{
    uint64_t hash = 14695981039346656037u;

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 1099511628211u;
    return hash;
}

/* Returns whether one of the @object->n members that were read has this name. */
static bool has_member(const struct reader *reader, const struct json_value *object,
                       const char *name, uint64_t hash)
{
    const uint64_t *hashes = reader->hashes + reader->n_names - object->n;
    const struct json_value *member = object + 1;
    uint32_t i = 0;

    while (i < object->n && hashes[i] != hash)
        i++;
    if (i == object->n)
        return false;
    for (i = 0; i < object->n; i++, member += member->next)
        if (strcmp(reader->text + member->name, name) == 0)
            return true;
    return false;
}

/* Reads the name of the next member of @object, which has @object->n of them before. */
static bool name_read(struct reader *reader, const struct json_value *object,
                      struct json_value *member)
{
    const char *name;
    uint64_t hash;

    skip_blanks(reader);
    if (!skip(reader, '"') || !string_read(reader, &member->name))
        return false;
    name = reader->text + member->name;
    hash = hash_of(name);
    if (has_member(reader, object, name, hash))
        return false;
    reader->hashes[reader->n_names++] = hash;
    skip_blanks(reader);
    return skip(reader, ':');
}

/* The digits of an integer are between @digits and the rest of the input. */
static bool integer_convert(const struct reader *reader, const char *digits, bool is_negative,
                            struct json_value *value)
{
    const uint64_t max = (uint64_t)INT64_MAX + is_negative;
    uint64_t number = 0;

    for (; digits < reader->at; digits++) {
        uint64_t digit = (uint64_t)(*digits - '0');

        if (number > (max - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    value->integer = (int64_t)(is_negative ? 0 - number : number);
    return true;
}

/* The input goes on behind a number, so strtod() stops before its end. */
static bool real_is_finite(const char *text)
{
    return isfinite(strtod(text, NULL));
}

static bool number_read(struct reader *reader, struct json_value *value)
{
    const char *start = reader->at, *digits;
    bool is_negative = skip(reader, '-');

    digits = reader->at;
    if (!skip(reader, '0') && !skip_digits(reader))
        return false;
    if (is_digit(reader))
        return false; /* a leading zero */
    value->kind = JSON_KIND_INTEGER;
    if (reader->at == reader->end || (*reader->at != '.' && (*reader->at | 0x20) != 'e'))
        return integer_convert(reader, digits, is_negative, value);
    value->kind = JSON_KIND_REAL;
    if (skip(reader, '.') && !skip_digits(reader))
        return false;
    if (skip(reader, 'e') || skip(reader, 'E')) {
        if (!skip(reader, '+'))
            skip(reader, '-');
        if (!skip_digits(reader))
            return false;
    }
    return reader->at < reader->end && real_is_finite(start);
}

static bool word_read(struct reader *reader, const char *word, enum json_kind kind,
                      struct json_value *value)
{
    size_t len = strlen(word);

    if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, word, len) != 0)
        return false;
    reader->at += len;
    value->kind = kind;
    return true;
}

static bool value_read(struct reader *reader, struct json_value *value, int depth);

/* Reads an object or array after its opening bracket. */
static bool children_read(struct reader *reader, struct json_value *value, int depth)
{
    const char close = value->kind == JSON_KIND_OBJECT ? '}' : ']';

    if (depth == JSON_DEPTH_MAX)
        return false;
    skip_blanks(reader);
    if (skip(reader, close))
        return true;
    do {
        struct json_value *child;

        if (reader->n_values == JSON_MEMBERS_MAX + 1)
            return false;
        child = &reader->values[reader->n_values++];
        child->name = 0;
        if (value->kind == JSON_KIND_OBJECT && !name_read(reader, value, child))
            return false;
        if (!value_read(reader, child, depth + 1))
            return false;
        value->n++;
        skip_blanks(reader);
    } while (skip(reader, ','));
    if (value->kind == JSON_KIND_OBJECT)
        reader->n_names -= value->n;
    return skip(reader, close);
}

/* Reads a value, whose name is set already. */
static bool value_read(struct reader *reader, struct json_value *value, int depth)
{
    bool is_read = false;

    value->integer = 0;
    skip_blanks(reader);
    switch (reader->at < reader->end ? *reader->at : 0) {
    case '{':
    case '[':
        value->kind = *reader->at++ == '{' ? JSON_KIND_OBJECT : JSON_KIND_ARRAY;
        is_read = children_read(reader, value, depth);
        break;
    case '"':
        reader->at++;
        value->kind = JSON_KIND_STRING;
        is_read = string_read(reader, &value->string);
        break;
    case 't':
        is_read = word_read(reader, "true", JSON_KIND_TRUE, value);
        break;
    case 'f':
        is_read = word_read(reader, "false", JSON_KIND_FALSE, value);
        break;
    case 'n':
        is_read = word_read(reader, "null", JSON_KIND_NULL, value);
        break;
    default:
        is_read = number_read(reader, value);
    }
    value->next = (uint32_t)(&reader->values[reader->n_values] - value) & 0xfffffff;
    return is_read;
}

static bool document_read(struct reader *reader)
{
    skip_blanks(reader);
    if (reader->at == reader->end || *reader->at != '{')
        return false;
    if (!value_read(reader, &reader->values[reader->n_values++], 0))
        return false;
    skip_blanks(reader);
    return reader->at == reader->end;
}

/* Copies values and text into one block, and turns offsets into distances. */
static struct json_value *finish(const struct reader *reader)
{
    size_t size = reader->n_values * sizeof(struct json_value);
    struct json_value *values = malloc(size + reader->n_text);

    if (!values)
        return NULL;
    memcpy(values, reader->values, size);
    memcpy((char *)values + size, reader->text, reader->n_text);
    for (uint32_t i = 0; i < reader->n_values; i++) {
        uint32_t distance = (uint32_t)(size - i * sizeof(struct json_value));

        values[i].name += distance;
        if (values[i].kind == JSON_KIND_STRING)
            values[i].string += distance;
    }
    return values;
}

struct json_value *json_value_read(const void *text, size_t len)
{
    __attribute__((uninitialized)) struct reader reader; /* 24 KiB, of which little is used */
    struct json_value *values = NULL;

    if (!len || len > UINT32_MAX / 2) {
        errno = EINVAL;
        return NULL;
    }
    reader.at = text;
    reader.end = reader.at + len;
    reader.n_text = reader.n_values = reader.n_names = 0;
    reader.values[0].name = 0;
    reader.text = malloc(len + 1); /* a string loses its quotes and gains a NUL */
    if (!reader.text)
        return NULL; /* errno is ENOMEM */
    if (document_read(&reader))
        values = finish(&reader);
    else
        errno = EINVAL;
    free(reader.text);
    return values;
}

const struct json_value *json_value_member(const struct json_value *object, const char *name)
{
    if (!object || object->kind != JSON_KIND_OBJECT)
        return NULL;
    JSON_VALUE_FOREACH(member, object)
    {
        if (strcmp(json_value_name(member), name) == 0)
            return member;
    }
    return NULL;
}
