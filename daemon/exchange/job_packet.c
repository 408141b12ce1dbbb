#include "exchange/job_packet.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "exchange/job.h"

/* Before all else. For each file: */
struct prefix {
    uint32_t n;
    int32_t errors[JOB_FILES_MAX]; /* 0, or -errno */
    uint32_t
        lengths[JOB_FILES_MAX]; /* of its contents, which follow; 0: a descriptor is attached */
};

/* Reads a small file; keeps the descriptor of a larger one. */
static void take_file(int fd, struct job_file *ret_file)
{
    struct stat st;
    size_t len;

    *ret_file = (struct job_file){.fd = fd};
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0 || st.st_size > JOB_FILE_COPY)
        return;
    ret_file->content = malloc((size_t)st.st_size);
    if (ret_file->content && file_read(fd, ret_file->content, (size_t)st.st_size, &len) == 0 &&
        len) {
        ret_file->len = len;
        ret_file->fd = -ENOENT;
        close(fd);
        return;
    }
    free(ret_file->content); /* it grows: the exchanger reads it */
    ret_file->content = NULL;
    lseek(fd, 0, SEEK_SET);
}

static void open_file(struct job_files *files, struct wire_bytes path)
{
    char text[PATH_MAX];

    if (!path.len)
        return;
    if (path.len >= sizeof(text)) {
        files->files[files->n++] = (struct job_file){.fd = -ENAMETOOLONG};
        return;
    }
    memcpy(text, path.at, path.len);
    text[path.len] = '\0';
    take_file(file_open(text, 0), &files->files[files->n++]);
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
        wire_decode(&job_exchange, payload, header.payload_len, &job.exchange) == 0) {
        open_file(ret_files, job.exchange.ca_file);
        open_file(ret_files, job.exchange.secret_file);
    }
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
    struct iovec parts[2 + JOB_FILES_MAX] = {{&prefix, sizeof(prefix)}};
    int fds[JOB_FILES_MAX], r;
    struct job_files files;
    size_t n_parts = 1, n_fds = 0;

    open_files(frame, &files);
    prefix.n = (uint32_t)files.n;
    for (size_t i = 0; i < files.n; i++) {
        const struct job_file *file = &files.files[i];

        prefix.lengths[i] = (uint32_t)file->len;
        if (file->content)
            parts[n_parts++] = (struct iovec){file->content, file->len};
        else if (file->fd >= 0)
            fds[n_fds++] = file->fd;
        else
            prefix.errors[i] = file->fd;
    }
    parts[n_parts++] = (struct iovec){(void *)frame->bytes, frame->len};
    r = descriptors_send(socket_fd, parts, n_parts, fds, n_fds);
    if (r == -ETOOMANYREFS) { /* the job fails with this reason, at once */
        for (size_t i = 0; i < files.n; i++)
            if (files.files[i].fd >= 0)
                prefix.errors[i] = r;
        r = descriptors_send(socket_fd, parts, n_parts, NULL, 0);
    }
    job_files_done(&files);
    return r;
}

/* Makes room for the contents that the prefix announces. */
static int make_room(const struct prefix *prefix, struct job_files *files, struct iovec *parts,
                     size_t *n_parts)
{
    if (prefix->n > JOB_FILES_MAX)
        return -EBADMSG;
    for (size_t i = 0; i < prefix->n; i++) {
        struct job_file *file = &files->files[files->n++];

        *file = (struct job_file){.fd = -EMFILE, .len = prefix->lengths[i]};
        if (file->len > JOB_FILE_COPY)
            return -EBADMSG;
        if (!file->len)
            continue;
        file->content = malloc(file->len);
        if (!file->content)
            return -ENOMEM;
        parts[(*n_parts)++] = (struct iovec){file->content, file->len};
    }
    return 0;
}

/* Gives each file its descriptor, or the reason why there is none. */
static void give_descriptors(const struct prefix *prefix, struct job_files *files, const int *fds,
                             size_t n_fds)
{
    size_t used = 0;

    for (size_t i = 0; i < files->n; i++) {
        struct job_file *file = &files->files[i];

        if (prefix->errors[i])
            file->fd = prefix->errors[i];
        else if (!file->content && used < n_fds) /* the kernel leaves them out without room */
            file->fd = fds[used++];
    }
    while (used < n_fds)
        close(fds[used++]);
}

ssize_t job_packet_receive(int socket_fd, void *frame, size_t size, struct job_files *ret_files)
{
    struct prefix prefix = {0};
    struct iovec parts[2 + JOB_FILES_MAX] = {{&prefix, sizeof(prefix)}};
    size_t n_parts = 1, n_fds, before = sizeof(prefix);
    int fds[DESCRIPTORS_MAX], r;
    ssize_t n = recv(socket_fd, &prefix, sizeof(prefix), MSG_DONTWAIT | MSG_PEEK);

    *ret_files = (struct job_files){0};
    if (n <= 0)
        return n < 0 ? -errno : 0;
    r = n < (ssize_t)sizeof(prefix) ? -EBADMSG : make_room(&prefix, ret_files, parts, &n_parts);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ret_files->n; i++)
        before += ret_files->files[i].len;
    parts[n_parts++] = (struct iovec){frame, size};
    n = descriptors_receive(socket_fd, parts, n_parts, MSG_DONTWAIT, fds, &n_fds);
    give_descriptors(&prefix, ret_files, fds, n_fds);
    return n > (ssize_t)before ? n - (ssize_t)before : n < 0 ? n : -EBADMSG;
}

void job_files_done(struct job_files *files)
{
    for (size_t i = 0; i < files->n; i++) {
        if (files->files[i].fd >= 0)
            close(files->files[i].fd);
        free(files->files[i].content);
    }
    files->n = 0;
}
