#include "exchanger/exchange_task.h"

#include <errno.h>
#include <string.h>

#include "exchanger/result.h"
#include "exchanger/work.h"
#include "provider/form.h"

void exchange_task_free(struct exchange_task *task)
{
    for (size_t i = 0; i < PROVIDER_SETTINGS_MAX; i++)
        free(task->settings[i]);
    secret_free(task->jwt);
    secret_free(task->secret);
    secret_free(task->authorization);
    free(task);
}

struct provider_values exchange_task_values(const struct exchange_task *task)
{
    struct provider_values values = {.secret = task->secret};

    for (size_t i = 0; i < PROVIDER_SETTINGS_MAX; i++)
        values.value[i] = task->settings[i];
    return values;
}

/* Returns "NAME=VALUE" in secret memory, or NULL if memory runs out. */
static struct secret *assignment_new(const struct provider_variable *variable)
{
    size_t len = strlen(variable->name);
    struct secret *text = secret_alloc(len + 1 + variable->value->len);

    if (!text)
        return NULL;
    memcpy(text->bytes, variable->name, len);
    text->bytes[len] = '=';
    memcpy(text->bytes + len + 1, variable->value->bytes, variable->value->len);
    return text;
}

/* Sends the result: the first variable is the token, the others are its attributes. */
static void send_answer(uint16_t id, const struct provider_answer *answer)
{
    struct secret *texts[PROVIDER_VARIABLES_MAX] = {NULL};
    struct job_result result = {
        .outcome = answer->outcome,
        .detail = wire_string(answer->detail),
        .retry_after_ms = answer->retry_after_ms,
        .token_type = wire_string(answer->token_type),
        .expires_in_s = answer->expires_in_s,
        .expires_at_s = answer->expires_at_s > 0 ? (uint64_t)answer->expires_at_s : 0,
    };
    bool is_whole = true;

    if (answer->n_variables) {
        const struct secret *token = answer->variables[0].value;

        result.token = wire_bytes(token->bytes, token->len);
        result.variable = wire_string(answer->variables[0].name);
    }
    for (size_t i = 1; i < answer->n_variables && is_whole; i++) {
        texts[i] = assignment_new(&answer->variables[i]);
        is_whole = texts[i];
        if (is_whole)
            result.attributes.item[result.attributes.n++] =
                wire_bytes(texts[i]->bytes, texts[i]->len);
    }
    if (is_whole)
        result_send(id, &result);
    else
        result_send_failure(id, OUTCOME_UNAVAILABLE, "out of memory");
    for (size_t i = 0; i < PROVIDER_VARIABLES_MAX; i++)
        secret_free(texts[i]);
}

static void answer_donep(struct provider_answer *answer)
{
    provider_answer_done(answer);
}

static void hide(struct provider_answer *answer, const struct secret *secret)
{
    if (secret)
        detail_hide(answer->detail, secret->bytes, secret->len);
}

/* A server may quote a secret as it is, or as it came. Returns 0 or -ENOMEM. */
static int hide_secrets(const struct exchange_task *task, struct provider_answer *answer)
{
    CLEANUP(secret_freep)
    struct secret *in_form =
        task->secret ? form_encode_value(task->secret->bytes, task->secret->len) : NULL;

    if (task->secret && !in_form)
        return -ENOMEM;
    hide(answer, task->jwt);
    hide(answer, task->secret);
    hide(answer, in_form);
    hide(answer, task->authorization);
    return 0;
}

void exchange_task_answer(const struct exchange_task *task, long status, const void *body,
                          size_t body_len, uint32_t retry_after_ms)
{
    struct provider_values values = exchange_task_values(task);
    CLEANUP(answer_donep)
    struct provider_answer answer = {.retry_after_ms = retry_after_ms};

    if (task->exchange->answer(&values, status, body, body_len, &answer) < 0 ||
        hide_secrets(task, &answer) < 0) {
        result_send_failure(task->id, OUTCOME_UNAVAILABLE, "out of memory");
        return;
    }
    send_answer(task->id, &answer);
}

/* Stores the value of NAME=VALUE at the index of the provider's setting NAME. */
static int task_set(struct exchange_task *task, struct wire_bytes setting)
{
    const struct provider_setting *settings = task->exchange->provider->settings;
    const char *equals = memchr(setting.at, '=', setting.len);

    for (size_t i = 0; equals && settings[i].name; i++) {
        size_t len = (size_t)(equals - (const char *)setting.at);

        if (strlen(settings[i].name) != len || memcmp(settings[i].name, setting.at, len) != 0)
            continue;
        free(task->settings[i]);
        task->settings[i] = copy_bytes(wire_bytes(equals + 1, setting.len - len - 1));
        return task->settings[i] ? 0 : -ENOMEM;
    }
    return -EINVAL;
}

int exchange_task_new(uint16_t id, const struct job_exchange *job, bool is_program,
                      struct exchange_task **ret_task)
{
    CLEANUP(exchange_task_freep)
    struct exchange_task *task = calloc(1, sizeof(*task));
    CLEANUP(freep)
    char *name = copy_bytes(job->provider);
    int r = 0;

    if (!task || !name)
        return -ENOMEM;
    task->jwt = secret_new(job->subject_token.at, job->subject_token.len);
    if (!task->jwt)
        return -ENOMEM;
    task->id = id;
    task->exchange = provider_exchange_find(name);
    if (!task->exchange)
        return -EINVAL;
    if (task->exchange->provider->is_program != is_program)
        return -EBADMSG;
    for (size_t i = 0; i < job->settings.n && r == 0; i++)
        r = task_set(task, job->settings.item[i]);
    if (r == 0)
        *ret_task = TAKE_PTR(task);
    return r;
}
