/*
 * Any answer of a token endpoint or of an issuer: it has exactly one outcome, and its strings can
 * be passed on.
 */
#include "exchanger/keys_job.h"
#include "fuzz/fuzz.h"
#include "provider/exchange.h"

static int is_printable(const char *text)
{
    for (; *text; text++)
        if (*text < 0x20 || *text >= 0x7f)
            return 0;
    return 1;
}

static void judge(const struct provider_answer *answer)
{
    const struct secret *token;

    PROMISE(answer->outcome < OUTCOMES && is_printable(answer->detail));
    if (answer->outcome != OUTCOME_OK) {
        PROMISE(!answer->n_variables);
        return;
    }
    PROMISE(answer->n_variables > 0);
    token = answer->variables[0].value;
    PROMISE(token->len > 0 && token->len <= 16384);
    for (size_t i = 0; i < token->len; i++)
        PROMISE(token->bytes[i] > 0x20 && token->bytes[i] < 0x7f);
    PROMISE(answer->token_type[0] && is_printable(answer->token_type));
    PROMISE(answer->expires_in_s > 0 && answer->expires_in_s <= TOKEN_LIFETIME_MAX_S);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const long statuses[] = {200, 201, 302, 400, 401, 403, 404, 429, 500, 503};
    const struct provider_values values = {.value = {"acme"}};
    struct provider_answer answer = {0};
    char error[DISCOVERY_ERROR_SIZE] = "";
    char *url;

    if (size == 0)
        return 0;
    answer.retry_after_ms = data[0] & 0x80 ? 1000 : 0;
    PROMISE(provider_pulumi_exchange.answer(&values, statuses[data[0] % 10], data + 1, size - 1,
                                            &answer) == 0);
    judge(&answer);
    provider_answer_done(&answer);
    url = discovery_read(data + 1, size - 1, "https://issuer.example/id/X", error);
    PROMISE(url ? strncmp(url, "https://", 8) == 0 : error[0] != '\0');
    free(url);
    return 0;
}
