#include "exchanger/work.h"

#include <errno.h>
#include <string.h>

#include "exchanger/result.h"

char *copy_bytes(struct wire_bytes bytes)
{
    return bytes.len ? strndup((const char *)bytes.at, bytes.len) : NULL;
}

/* Each exchanger has jobs at servers of one kind only, which both can be probed. */
static bool is_of_role(enum exchanger_role role, uint8_t type)
{
    if (type == JOB_PROBE)
        return true;
    return (type == JOB_EXCHANGE) == (role == EXCHANGER_UPSTREAMS);
}

static int begin(struct worker *worker, const struct wire_header *header, const uint8_t *payload,
                 size_t len)
{
    struct job_exchange exchange;
    struct job_keys keys;
    struct job_review review;
    struct job_probe probe;

    if (!is_of_role(worker->role, header->type))
        return -EBADMSG;
    switch (header->type) {
    case JOB_EXCHANGE:
        return wire_decode(&job_exchange, payload, len, &exchange) < 0
                   ? -EBADMSG
                   : exchange_job_begin(worker, header->id, &exchange);
    case JOB_KEYS:
        return wire_decode(&job_keys, payload, len, &keys) < 0
                   ? -EBADMSG
                   : keys_job_begin(worker, header->id, &keys);
    case JOB_REVIEW:
        return wire_decode(&job_review, payload, len, &review) < 0
                   ? -EBADMSG
                   : review_job_begin(worker, header->id, &review);
    case JOB_PROBE:
        return wire_decode(&job_probe, payload, len, &probe) < 0
                   ? -EBADMSG
                   : probe_job_begin(worker, header->id, &probe);
    default:
        return -EBADMSG;
    }
}

int worker_read_ca(struct worker *worker, struct wire_bytes path, struct ca *ret_ca)
{
    return ca_read(worker->files, path, ret_ca, worker->http.error, sizeof(worker->http.error));
}

int worker_read_secret(struct worker *worker, struct wire_bytes path, struct secret **ret_secret)
{
    return secret_file_read(worker->files, path, ret_secret, worker->http.error,
                            sizeof(worker->http.error));
}

void worker_take(struct worker *worker, const uint8_t *frame, size_t len, struct job_files *files)
{
    struct wire_header header;
    int r;

    if (len < WIRE_HEADER_SIZE)
        return;
    wire_header_read(frame, &header);
    worker->http.error[0] = '\0';
    worker->files = files;
    r = begin(worker, &header, frame + WIRE_HEADER_SIZE, len - WIRE_HEADER_SIZE);
    if (r < 0)
        result_send_error(header.id, worker->http.error[0] ? worker->http.error : strerror(-r));
}
