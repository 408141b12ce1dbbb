/* The files of the simulated disk: what their process reads back, and what a power cut leaves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/disk_parts.h"

/* A test that runs out of memory cannot continue. */
static void *need(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static void image_resize(struct image *image, size_t len)
{
    if (len > image->capacity) {
        image->capacity = len * 2;
        image->bytes = need(realloc(image->bytes, image->capacity));
    }
    if (len > image->len)
        memset(image->bytes + image->len, 0, len - image->len);
    image->len = len;
}

static void image_write(struct image *image, size_t at, const uint8_t *bytes, size_t len)
{
    if (at + len > image->len)
        image_resize(image, at + len);
    if (len > 0)
        memcpy(image->bytes + at, bytes, len);
}

static void change_apply(const struct change *change, struct image *image)
{
    if (!change->is_truncation)
        image_write(image, change->at, change->bytes, change->len);
    else if (change->at < image->len)
        image_resize(image, change->at);
}

static void change_add(struct file *file, size_t at, const uint8_t *bytes, size_t len)
{
    struct change *change = need(malloc(sizeof(*change) + len));

    *change = (struct change){.is_truncation = !bytes, .at = at, .len = len};
    if (bytes)
        memcpy(change->bytes, bytes, len);
    *file->end = change;
    file->end = &change->next;
}

static void changes_free(struct file *file)
{
    struct change *change;

    while ((change = file->first) != NULL) {
        file->first = change->next;
        free(change);
    }
    file->end = &file->first;
}

struct file *disk_file_find(const char *name)
{
    for (struct file *file = disk.files; file; file = file->next)
        if (file->is_named && strcmp(file->name, name) == 0)
            return file;
    return NULL;
}

struct file *disk_file_new(const char *name)
{
    struct file *file = need(calloc(1, sizeof(*file)));

    if (name)
        snprintf(file->name, sizeof(file->name), "%s", name);
    file->is_named = name != NULL;
    file->end = &file->first;
    file->next = disk.files;
    disk.files = file;
    return file;
}

static void file_free(struct file *file)
{
    changes_free(file);
    free(file->volatile_image.bytes);
    free(file->durable_image.bytes);
    free(file);
}

static bool file_is_needed(const struct file *file)
{
    if (file->is_named || file->is_durable)
        return true;
    for (struct handle *handle = disk.handles; handle; handle = handle->next)
        if (handle->file == file)
            return true;
    return false;
}

void disk_files_tidy(void)
{
    struct file **link = &disk.files;

    while (*link) {
        struct file *file = *link;

        if (file_is_needed(file)) {
            link = &file->next;
        } else {
            *link = file->next;
            file_free(file);
        }
    }
}

void disk_file_write(struct file *file, size_t at, const uint8_t *bytes, size_t len)
{
    image_write(&file->volatile_image, at, bytes, len);
    while (len > 0) {
        size_t to_sector_end = DISK_SECTOR - at % DISK_SECTOR;
        size_t part = len < to_sector_end ? len : to_sector_end;

        change_add(file, at, bytes, part);
        at += part;
        bytes += part;
        len -= part;
    }
}

void disk_file_truncate(struct file *file, size_t len)
{
    image_resize(&file->volatile_image, len);
    change_add(file, len, NULL, 0);
}

void disk_directory_sync(void)
{
    for (struct file *file = disk.files; file; file = file->next)
        file->is_durable = file->is_named;
}

/*
 * The first sync of a new file also syncs its directory. SQLite does this on a real disk for a
 * journal and a WAL, and relies on it: it does not sync after it deletes a journal.
 */
void disk_file_sync(struct file *file)
{
    for (struct change *change = file->first; change; change = change->next)
        change_apply(change, &file->durable_image);
    changes_free(file);
    if (file->is_named && !file->is_durable)
        disk_directory_sync();
}

/* @survivors of 16 changes reach the disk; half of the other writes reach it in part. */
static void change_cut(struct change *change, struct image *image, unsigned survivors,
                       uint64_t *random)
{
    if (disk_random(random) % 16 >= survivors) {
        if (change->len < 2 || disk_random(random) % 2 == 0)
            return;
        change->len = 1 + disk_random(random) % (change->len - 1);
    }
    change_apply(change, image);
}

void disk_file_cut(struct file *file, unsigned survivors, uint64_t *random)
{
    struct image *durable = &file->durable_image;

    for (struct change *change = file->first; change; change = change->next)
        change_cut(change, durable, survivors, random);
    changes_free(file);
    image_resize(&file->volatile_image, durable->len);
    image_write(&file->volatile_image, 0, durable->bytes, durable->len);

    if (file->is_named != file->is_durable)
        file->is_named = disk_random(random) % 2 == 0;
    file->is_named = file->is_named && disk_file_find(file->name) == file;
    file->is_durable = file->is_named;
}
