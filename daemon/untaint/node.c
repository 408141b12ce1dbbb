#include "untaint/node.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"

/* Returns the index of the taint, or -1. */
static int find(const json_t *taints, const char *key)
{
    const json_t *taint;
    size_t i;

    json_array_foreach(taints, i, taint)
    {
        const char *name = json_member_string(taint, "key");

        if (name && strcmp(name, key) == 0)
            return (int)i;
    }
    return -1;
}

static struct secret *print(const json_t *patch)
{
    char *text = json_dumps(patch, JSON_COMPACT);
    struct secret *body = text ? secret_new(text, strlen(text)) : NULL;

    free(text);
    return body;
}

int node_patch(const void *body, size_t len, const char *key, struct secret **ret_patch)
{
    CLEANUP(json_decrefp)
    json_t *node = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL); /* deeper than others */
    CLEANUP(json_decrefp)
    json_t *patch = NULL;
    json_t *taints = json_object_get(json_object_get(node, "spec"), "taints");
    const char *kind = json_member_string(node, "kind");
    int index = find(taints, key);
    char path[64];

    if (!kind || strcmp(kind, "Node") != 0)
        return -EBADMSG;
    if (index < 0)
        return 0;
    snprintf(path, sizeof(path), "/spec/taints/%d", index);
    patch = json_pack("[{s:s, s:s, s:O}, {s:s, s:s}]", "op", "test", "path", path, "value",
                      json_array_get(taints, (size_t)index), "op", "remove", "path", path);
    *ret_patch = patch ? print(patch) : NULL;
    return *ret_patch ? 1 : -ENOMEM;
}
