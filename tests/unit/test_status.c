/*
 * The table of statuses agrees with docs/protocol.md and with the public header, which are read
 * from the source tree.
 */
#include <ctype.h>

#include "protocol/messages.h"
#include "protocol/status.h"
#include "support/scratch.h"

static char *source_read(const char *name)
{
    const char *root = getenv("PODLOGIN_SOURCE");
    CLEANUP(freep)
    char *path = NULL;
    size_t len;

    assert_true(asprintf(&path, "%s/%s", root ? root : SOURCE_DIR, name) > 0);
    return scratch_read(path, &len);
}

static const struct status_info *row_of(unsigned number)
{
    const struct status_info *table, *found = NULL;
    size_t n;

    table = status_table(&n);
    for (size_t i = 0; i < n; i++) {
        if ((unsigned)table[i].status == number) {
            assert_null(found);
            found = &table[i];
        }
    }
    return found;
}

static void every_number_of_the_header_has_one_row(void **state)
{
    CLEANUP(freep)
    char *text = source_read("protocol/podlogin-status.h");
    size_t n_table, n_header = 0;
    char *rest = NULL;

    (void)state;
    status_table(&n_table);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        const struct status_info *row;
        char name[64];
        unsigned number;

        if (sscanf(line, " PODLOGIN_%63[A-Z_] = %u,", name, &number) != 2)
            continue;
        row = row_of(number);
        if (!row)
            fail_msg("no row: %u %s", number, name);
        assert_string_equal(row->name, name);
        n_header++;
    }
    assert_int_equal(n_header, n_table);
    assert_in_range(n_header, 20, 100);
}

static void rows_are_unique_and_have_texts(void **state)
{
    const struct status_info *table;
    size_t n;

    (void)state;
    table = status_table(&n);
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(status_info(table[i].status), &table[i]);
        assert_true(strlen(table[i].sentence) > 5);
        assert_null(strchr(table[i].sentence, '\n'));
        assert_null(strchr(table[i].sentence, '|'));
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(table[i].status, table[j].status);
            assert_string_not_equal(table[i].name, table[j].name);
            if (table[i].status != PODLOGIN_OK)
                assert_string_not_equal(table[i].sentence, table[j].sentence);
        }
    }
}

static void an_unknown_number_is_treated_as_internal(void **state)
{
    static const unsigned numbers[] = {4, 22, 99, 109, 255, 65536, 0x7fffffff, 0xffffffff};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        assert_int_equal(status_info((enum podlogin_status)numbers[i])->status, PODLOGIN_INTERNAL);
}

static void only_a_success_exits_with_zero_and_refusals_are_not_retried(void **state)
{
    const struct status_info *table;
    size_t n;

    (void)state;
    table = status_table(&n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(table[i].exit_code == EXIT_CODE_OK, table[i].status == PODLOGIN_OK);
        assert_int_equal(table[i].is_retryable, table[i].exit_code == EXIT_CODE_TRY_AGAIN ||
                                                    table[i].exit_code == EXIT_CODE_UNREACHABLE ||
                                                    table[i].status == PODLOGIN_INTERNAL);
    }
}

/* Splits "| a | `b` | c |" into cells without spaces and back quotes. Returns their number. */
static size_t cells_of(char *line, char *ret_cells[8])
{
    size_t n = 0;
    char *at = line + 1;

    if (*line != '|')
        return 0;
    for (char *end; n < 8 && (end = strchr(at, '|')); at = end + 1) {
        char *last = end - 1;

        while (*at == ' ' || *at == '`')
            at++;
        while (last >= at && (*last == ' ' || *last == '`'))
            last--;
        last[1] = '\0';
        ret_cells[n++] = at;
    }
    return n;
}

static void the_specification_lists_the_same_statuses(void **state)
{
    CLEANUP(freep)
    char *text = source_read("docs/protocol.md");
    size_t n_table, n_documented = 0;
    char *rest = NULL, *cells[8];

    (void)state;
    status_table(&n_table);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        const struct status_info *row;

        if (cells_of(line, cells) != 5 || !isdigit((unsigned char)*cells[0]) ||
            !isdigit((unsigned char)*cells[3]))
            continue;
        row = row_of((unsigned)atoi(cells[0]));
        if (!row)
            fail_msg("not in the table: %s", cells[1]);
        assert_string_equal(cells[1], row->name);
        assert_string_equal(cells[2], row->is_retryable ? "yes" : "no");
        assert_int_equal(atoi(cells[3]), row->exit_code);
        assert_string_equal(cells[4], row->sentence);
        n_documented++;
    }
    assert_int_equal(n_documented, n_table);
}

/* The tables of fields have no names; the members of the structs identify the fields. */
#define FIELD(noun, member)                                                                        \
    {                                                                                              \
#member, offsetof(struct message_##noun, member)                                           \
    }

static const struct message_names {
    const char *heading;
    const struct wire_message *message;
    struct {
        const char *name;
        size_t offset;
    } fields[10];
} messages[] = {
    {"LOGIN", &message_login, {FIELD(login, subject_token)}},
    {"GET",
     &message_get,
     {FIELD(get, service), FIELD(get, min_ttl_s), FIELD(get, timeout_ms), FIELD(get, rejected),
      FIELD(get, known), FIELD(get, wait_ms), FIELD(get, is_last)}},
    {"WHOAMI", &message_whoami, {FIELD(whoami, timeout_ms)}},
    {"PING", &message_ping, {{0}}},
    {"TOKEN",
     &message_token,
     {FIELD(token, token), FIELD(token, token_type), FIELD(token, expires_at_s),
      FIELD(token, source), FIELD(token, variable), FIELD(token, attributes),
      FIELD(token, directory), FIELD(token, files), FIELD(token, unset)}},
    {"IDENTITY",
     &message_identity,
     {FIELD(identity, issuer), FIELD(identity, subject), FIELD(identity, namespace),
      FIELD(identity, serviceaccount), FIELD(identity, serviceaccount_uid), FIELD(identity, pod),
      FIELD(identity, pod_uid), FIELD(identity, expires_at_s), FIELD(identity, services)}},
    {"PONG", &message_pong, {FIELD(pong, server)}},
    {"ERROR",
     &message_error,
     {FIELD(error, status), FIELD(error, retry_after_ms), FIELD(error, detail)}},
};

static const char *const type_names[] = {
    [WIRE_U32] = "u32",       [WIRE_U64] = "u64",   [WIRE_BYTES] = "bytes",
    [WIRE_STRING] = "string", [WIRE_LIST] = "list",
};

static uint64_t number_of(const char *text)
{
    uint64_t number = 0;

    for (; isdigit((unsigned char)*text) || *text == ','; text++)
        if (*text != ',')
            number = number * 10 + (uint64_t)(*text - '0');
    return number;
}

static void field_compare(const struct message_names *names, size_t i, char *cells[8])
{
    const struct wire_field *field = &names->message->fields[i];
    bool is_counted = field->type != WIRE_U32 && field->type != WIRE_U64;

    if (i >= names->message->n_fields)
        fail_msg("%s has no field %s", names->heading, cells[1]);
    assert_int_equal(number_of(cells[0]), field->tag);
    assert_string_equal(cells[1], names->fields[i].name);
    assert_int_equal(names->fields[i].offset, field->offset);
    assert_string_equal(cells[2], type_names[field->type]);
    assert_string_equal(cells[3], field->is_required ? "yes" : "no");
    assert_true(number_of(cells[4]) == field->max);
    assert_int_equal(strstr(cells[4], " bytes") != NULL, is_counted);
}

static const struct message_names *message_of_heading(const char *line)
{
    char name[32];
    unsigned type;

    if (sscanf(line, "### %31[A-Z], type %u", name, &type) != 2)
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
        if (strcmp(messages[i].heading, name) == 0) {
            assert_int_equal(type, messages[i].message->type);
            return &messages[i];
        }
    }
    fail_msg("not in messages.h: %s", line);
    return NULL;
}

static void the_specification_lists_the_same_fields(void **state)
{
    CLEANUP(freep)
    char *text = source_read("docs/protocol.md");
    const struct message_names *names = NULL;
    size_t n_messages = 0, n_fields = 0;
    char *rest = NULL, *cells[8];

    (void)state;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (*line == '#') {
            if (names)
                assert_int_equal(n_fields, names->message->n_fields);
            names = message_of_heading(line);
            n_messages += names != NULL;
            n_fields = 0;
        } else if (names && cells_of(line, cells) == 5 && isdigit((unsigned char)*cells[0])) {
            field_compare(names, n_fields++, cells);
        }
    }
    assert_int_equal(n_messages, ARRAY_SIZE(messages));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_of_the_header_has_one_row),
        cmocka_unit_test(rows_are_unique_and_have_texts),
        cmocka_unit_test(an_unknown_number_is_treated_as_internal),
        cmocka_unit_test(only_a_success_exits_with_zero_and_refusals_are_not_retried),
        cmocka_unit_test(the_specification_lists_the_same_statuses),
        cmocka_unit_test(the_specification_lists_the_same_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
