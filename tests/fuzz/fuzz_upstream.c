/*
 * Any answer of any upstream: it has exactly one outcome; a success is whole, and can be passed on.
 */
#include "fuzz/fuzz.h"
#include "provider/exchange.h"

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* The settings that an answer depends on, and how many variables a success has; or has at most. */
static const struct {
    const struct provider_exchange *exchange;
    struct provider_values values;
    size_t n_variables;
} kinds[] = {
    {&provider_pulumi_exchange, {.value = {"acme"}}, 3},
    {&provider_aws_exchange, {.value = {"arn:aws:iam::123456789012:role/ci", "eu-central-1"}}, 5},
    {&provider_vault_exchange, {.value = {"https://vault", NULL, "ci", "team"}}, 3},
    {&provider_rfc8693_exchange, {.value = {"https://dex/token"}}, 1},
    {&provider_azure_exchange, {.value = {"tenant", "client"}}, 1},
    {&provider_exec_exchange, {.value = {"/x", NULL, NULL, "CI_URL CI_USER"}}, 3},
};

/* A program may set a part of its variables, and to texts with blanks. */
static bool is_whole(const struct provider_answer *answer, size_t kind)
{
    return kinds[kind].exchange->provider->is_program
               ? answer->n_variables > 0 && answer->n_variables <= kinds[kind].n_variables
               : answer->n_variables == kinds[kind].n_variables;
}

static void judge(const struct provider_answer *answer, size_t kind)
{
    PROMISE(answer->outcome < OUTCOMES && is_ascii(answer->detail, strlen(answer->detail), ' '));
    if (answer->outcome != OUTCOME_OK) {
        PROMISE(!answer->n_variables);
        return;
    }
    PROMISE(is_whole(answer, kind));
    for (size_t i = 0; i < answer->n_variables; i++) {
        const struct provider_variable *variable = &answer->variables[i];
        bool may_have_blanks = kinds[kind].exchange->provider->is_program && i > 0;

        PROMISE(provider_may_set(kinds[kind].exchange->provider, &kinds[kind].values,
                                 variable->name, strlen(variable->name)));
        PROMISE((variable->value->len > 0 || may_have_blanks) && variable->value->len <= 16384);
        PROMISE(
            is_ascii(variable->value->bytes, variable->value->len, may_have_blanks ? ' ' : '!'));
    }
    PROMISE(answer->token_type[0] && is_ascii(answer->token_type, strlen(answer->token_type), ' '));
    PROMISE(answer->expires_in_s <= TOKEN_LIFETIME_MAX_S);
    PROMISE(answer->expires_in_s > 0 || answer->expires_at_s != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const long statuses[] = {200, 201, 302, 400, 401, 403, 404, 429, 500, 503};
    static const long exit_statuses[] = {0, 1, 2, 22, 75, 77, 78, 127, 128, 255};
    struct provider_answer answer = {0};
    size_t kind, status;

    if (size == 0)
        return 0;
    kind = (data[0] & 0x7f) / 10 % N_KINDS;
    answer.retry_after_ms = data[0] & 0x80 ? 1000 : 0;
    status = (data[0] & 0x7f) % 10;
    PROMISE(kinds[kind].exchange->answer(&kinds[kind].values,
                                         kinds[kind].exchange->provider->is_program
                                             ? exit_statuses[status]
                                             : statuses[status],
                                         data + 1, size - 1, &answer) == 0);
    judge(&answer, kind);
    provider_answer_done(&answer);
    return 0;
}
