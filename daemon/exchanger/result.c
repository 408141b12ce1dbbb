#include "exchanger/result.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "message/frame.h"
#include "provider/detail.h"

void result_send(uint16_t id, const struct job_result *result)
{
    const struct job_result odd = {
        .outcome = OUTCOME_MALFORMED,
        .detail = wire_string("the answer does not fit into a result"),
    };
    CLEANUP(secret_freep)
    struct secret *frame = NULL;

    if (frame_new(&job_result, id, result, &frame) < 0 &&
        frame_new(&job_result, id, &odd, &frame) < 0)
        return;
    if (send(JOB_SOCKET_FD, frame->bytes, frame->len, MSG_NOSIGNAL) < 0)
        log_debug("cannot send a result: %s", strerror(errno));
}

void result_send_error(uint16_t id, const char *sentence)
{
    result_send(
        id, &(struct job_result){.outcome = OUTCOME_UNAVAILABLE, .detail = wire_string(sentence)});
}

void result_send_failure(uint16_t id, enum outcome outcome, const char *detail)
{
    char fit[DETAIL_SIZE] = "";

    detail_add(fit, detail);
    result_send(id, &(struct job_result){.outcome = outcome, .detail = wire_string(fit)});
}
