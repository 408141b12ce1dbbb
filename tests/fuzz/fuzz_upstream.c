/* Any answer of a token endpoint: it has exactly one outcome, and its strings can be passed on. */
#include "fuzz/fuzz.h"
#include "provider/exchange.h"

static void judge(const struct provider_answer *answer)
{
    const struct secret *token;

    PROMISE(answer->outcome < OUTCOMES && is_ascii(answer->detail, strlen(answer->detail), ' '));
    if (answer->outcome != OUTCOME_OK) {
        PROMISE(!answer->n_variables);
        return;
    }
    PROMISE(answer->n_variables > 0);
    token = answer->variables[0].value;
    PROMISE(token->len > 0 && token->len <= 16384);
    PROMISE(is_ascii(token->bytes, token->len, '!'));
    PROMISE(answer->token_type[0] && is_ascii(answer->token_type, strlen(answer->token_type), ' '));
    PROMISE(answer->expires_in_s > 0 && answer->expires_in_s <= TOKEN_LIFETIME_MAX_S);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const long statuses[] = {200, 201, 302, 400, 401, 403, 404, 429, 500, 503};
    const struct provider_values values = {.value = {"acme"}};
    struct provider_answer answer = {0};

    if (size == 0)
        return 0;
    answer.retry_after_ms = data[0] & 0x80 ? 1000 : 0;
    PROMISE(provider_pulumi_exchange.answer(&values, statuses[data[0] % 10], data + 1, size - 1,
                                            &answer) == 0);
    judge(&answer);
    provider_answer_done(&answer);
    return 0;
}
