#include "standin/pulumi/stacks.h"

#include <string.h>

#include "standin/encoding.h"
#include "standin/memory.h"

/* The parts of ORGANIZATION/PROJECT[/STACK[/ACTION]]; NULL: missing. */
struct address {
    char *copy;
    char *organization;
    char *project;
    char *stack;
    char *action;
};

static struct address address_of(const char *path)
{
    struct address address = {.copy = must_copy(path)};
    char *rest = address.copy;

    address.organization = strsep(&rest, "/");
    address.project = strsep(&rest, "/");
    address.stack = strsep(&rest, "/");
    address.action = rest;
    return address;
}

static char *key_of(const struct address *address, const char *stack)
{
    return must_print("%s/%s/%s", address->organization, address->project, stack);
}

static bool is_method(const struct request *request, const char *method)
{
    return strcmp(request->method, method) == 0;
}

static const char *member(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));

    return value ? value : "";
}

json_t *stacks_list(json_t *stacks, const char *organization, const struct request *request)
{
    const char *project = request_parameter(request, "project");
    json_t *list = must(json_array()), *stack;
    const char *key;

    json_object_foreach(stacks, key, stack)
    {
        if (strcmp(member(stack, "orgName"), organization) == 0 &&
            (!project || !*project || strcmp(member(stack, "projectName"), project) == 0))
            must_json(json_array_append(list, stack));
    }
    return must(json_pack("{s:o}", "stacks", list));
}

static void reply_nothing(struct reply *reply)
{
    reply_text(reply, 204, "application/json", must_copy(""));
}

/* POST /api/stacks/ORGANIZATION/PROJECT */
static void stack_create(json_t *stacks, const struct address *address, const json_t *in,
                         struct reply *reply)
{
    const char *name = member(in, "stackName");
    CLEANUP(freep) char *key = key_of(address, name);
    json_t *stack;

    if (!*name || strchr(name, '/')) {
        reply_error(reply, 400, "Bad Request: invalid stack name");
        return;
    }
    if (json_object_get(stacks, key)) {
        reply_error(reply, 409, "Conflict: the stack exists");
        return;
    }
    stack = must(json_pack("{s:s, s:s, s:s, s:s, s:{}, s:i, s:s, s:{s:s}}", "id", key, "orgName",
                           address->organization, "projectName", address->project, "stackName",
                           name, "tags", "version", 0, "activeUpdate", "", "links", "self", ""));
    if (json_is_object(json_object_get(in, "tags")))
        must_json(json_object_set(stack, "tags", json_object_get(in, "tags")));
    must_json(json_object_set_new(stacks, key, stack));
    reply_json(reply, 200, must(json_pack("{s:[]}", "messages")));
}

static void project_answer(json_t *stacks, const struct address *address, const json_t *in,
                           const struct request *request, struct reply *reply)
{
    CLEANUP(freep) char *prefix = key_of(address, "");
    const char *key;
    json_t *stack;

    if (is_method(request, "POST")) {
        stack_create(stacks, address, in, reply);
        return;
    }
    json_object_foreach(stacks, key, stack)
    {
        if (strncmp(key, prefix, strlen(prefix)) == 0) {
            reply_json(reply, 200, must(json_pack("{s:s}", "name", address->project)));
            return;
        }
    }
    reply_error(reply, 404, "Not Found: no such project");
}

/*
 * Encrypts the value @from of the body into the value @to, or decrypts it. The key is the name of
 * the stack, so that secrets of another stack do not decrypt.
 */
static void secret_answer(const char *key, const json_t *in, bool encrypts, struct reply *reply)
{
    const char *from = encrypts ? "plaintext" : "ciphertext";
    CLEANUP(freep) uint8_t *bytes = NULL;
    CLEANUP(freep) uint8_t *out = NULL;
    CLEANUP(freep) char *text = NULL;
    size_t key_len = strlen(key), len;

    if (base64_decode(member(in, from), &bytes, &len) < 0 ||
        (!encrypts && (len < key_len || memcmp(bytes, key, key_len) != 0))) {
        reply_error(reply, 400, "Bad Request: the value is not of this stack");
        return;
    }
    out = must_alloc(len + key_len + 1);
    if (encrypts) {
        memcpy(out, key, key_len);
        memcpy(out + key_len, bytes, len);
        len += key_len;
    } else {
        len -= key_len;
        memcpy(out, bytes + key_len, len);
    }
    text = base64_encode(out, len);
    reply_json(reply, 200, must(json_pack("{s:s}", encrypts ? "ciphertext" : "plaintext", text)));
}

static void stack_answer(json_t *stacks, const struct address *address, const json_t *in,
                         const struct request *request, struct reply *reply)
{
    CLEANUP(freep) char *key = key_of(address, address->stack);
    const char *action = address->action ? address->action : "";
    json_t *stack = json_object_get(stacks, key);

    if (!stack) {
        reply_error(reply, 404, "Not Found: no such stack");
    } else if (!*action && is_method(request, "GET")) {
        reply_json(reply, 200, json_incref(stack));
    } else if (!*action && is_method(request, "DELETE")) {
        json_object_del(stacks, key);
        reply_nothing(reply);
    } else if (is_method(request, "POST") &&
               (strcmp(action, "encrypt") == 0 || strcmp(action, "decrypt") == 0)) {
        secret_answer(key, in, action[0] == 'e', reply);
    } else if (strcmp(action, "export") == 0 && is_method(request, "GET")) {
        reply_json(reply, 200, must(json_pack("{s:i, s:{}}", "version", 3, "deployment")));
    } else {
        reply_error(reply, 404, "Not Found");
    }
}

void stacks_answer(json_t *stacks, const char *organization, const char *path,
                   const struct request *request, struct reply *reply)
{
    CLEANUP(json_decrefp)
    json_t *in = json_loadb(request->body, request->body_bytes, JSON_REJECT_DUPLICATES, NULL);
    struct address address = address_of(path);

    if (strcmp(address.organization, organization) != 0 || !address.project)
        reply_error(reply, 404, "Not Found: no such organization");
    else if (!address.stack)
        project_answer(stacks, &address, in, request, reply);
    else
        stack_answer(stacks, &address, in, request, reply);
    free(address.copy);
}
