#include "exchange/job_packet.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "exchange/job.h"

/* Before the frame: for each CA file 0 if its descriptor is attached, or -errno. */
struct prefix {
    uint32_t n;
    int32_t errors[DESCRIPTORS_MAX];
};

static void open_file(struct job_files *files, struct wire_bytes path)
{
    char text[PATH_MAX];

    if (!path.len)
        return;
    if (path.len >= sizeof(text)) {
        files->fds[files->n++] = -ENAMETOOLONG;
        return;
    }
    memcpy(text, path.at, path.len);
    text[path.len] = '\0';
    files->fds[files->n++] = file_open(text, 0);
}

static void open_files(const struct secret *frame, struct job_files *ret_files)
{
    const uint8_t *payload = frame->bytes + WIRE_HEADER_SIZE;
    struct wire_header header;
    union {
        struct job_exchange exchange;
        struct job_keys keys;
        struct job_review review;
        struct job_probe probe;
    } job;

    *ret_files = (struct job_files){0};
    wire_header_read(frame->bytes, &header);
    if (header.type == JOB_EXCHANGE &&
        wire_decode(&job_exchange, payload, header.payload_len, &job.exchange) == 0)
        open_file(ret_files, job.exchange.ca_file);
    if (header.type == JOB_REVIEW &&
        wire_decode(&job_review, payload, header.payload_len, &job.review) == 0)
        open_file(ret_files, job.review.ca_file);
    if (header.type == JOB_PROBE &&
        wire_decode(&job_probe, payload, header.payload_len, &job.probe) == 0)
        open_file(ret_files, job.probe.ca_file);
    if (header.type == JOB_KEYS &&
        wire_decode(&job_keys, payload, header.payload_len, &job.keys) == 0) {
        open_file(ret_files, job.keys.ca_file);
        open_file(ret_files, job.keys.api_ca_file);
    }
}

int job_packet_send(int socket_fd, const struct secret *frame)
{
    struct prefix prefix = {0};
    const struct iovec parts[] = {{&prefix, sizeof(prefix)}, {(void *)frame->bytes, frame->len}};
    int fds[DESCRIPTORS_MAX], r;
    struct job_files files;
    size_t n = 0;

    open_files(frame, &files);
    prefix.n = (uint32_t)files.n;
    for (size_t i = 0; i < files.n; i++) {
        prefix.errors[i] = files.fds[i] < 0 ? files.fds[i] : 0;
        if (files.fds[i] >= 0)
            fds[n++] = files.fds[i];
    }
    r = descriptors_send(socket_fd, parts, 2, fds, n);
    job_files_close(&files);
    return r;
}

ssize_t job_packet_receive(int socket_fd, void *frame, size_t size, struct job_files *ret_files)
{
    struct prefix prefix = {0};
    const struct iovec parts[] = {{&prefix, sizeof(prefix)}, {frame, size}};
    int fds[DESCRIPTORS_MAX];
    size_t n_fds, used = 0;
    ssize_t n = descriptors_receive(socket_fd, parts, 2, MSG_DONTWAIT, fds, &n_fds);

    *ret_files = (struct job_files){0};
    for (size_t i = 0; i < prefix.n && i < DESCRIPTORS_MAX; i++) {
        int fd = prefix.errors[i];

        if (!fd) /* the kernel leaves descriptors out if there is no room for them */
            fd = used < n_fds ? fds[used++] : -EMFILE;
        ret_files->fds[ret_files->n++] = fd;
    }
    while (used < n_fds)
        close(fds[used++]);
    return n > (ssize_t)sizeof(prefix) ? n - (ssize_t)sizeof(prefix) : n < 0 ? n : 0;
}

void job_files_close(struct job_files *files)
{
    for (size_t i = 0; i < files->n; i++)
        if (files->fds[i] >= 0)
            close(files->fds[i]);
    files->n = 0;
}
