/* podloginctl issuer register, remove */
#include "ctl/issuer/issuer.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "ctl/issuer/keys.h"

#define JWKS_NONE "none" /* for an issuer that Pulumi Cloud reaches, and the nodes do not */

/* What the registration should be: only what is to be set. */
static json_t *desired_new(const struct issuer_command *command, const json_t *issuer, json_t *jwks)
{
    const struct issuer_options *options = &command->options;
    const char *old_name = json_member_string(issuer, "name");
    const char *name = options->name ? options->name
                       : old_name    ? old_name
                                     : command->site.issuer->name;
    uint64_t max =
        options->max_expiration_s ? options->max_expiration_s : command->site.expiration_s;
    json_t *desired =
        json_pack("{s:s, s:s, s:I, s:O*}", "name", name, "url", command->site.issuer->url,
                  "maxExpiration", (json_int_t)max, "jwks", jwks);
    json_t *thumbprints = json_array();

    for (size_t i = 0; i < options->thumbprints.n; i++)
        json_array_append_new(thumbprints, json_string(options->thumbprints.list[i]));
    if (options->thumbprints.n)
        json_object_set(desired, "thumbprints", thumbprints);
    json_decref(thumbprints);
    return desired;
}

static bool is_same(const char *name, const json_t *actual, const json_t *desired)
{
    if (strcmp(name, "jwks") == 0)
        return keys_are_equal(actual, desired);
    if (strcmp(name, "thumbprints") == 0)
        return thumbprints_are_equal(actual, desired);
    return json_equal(actual, desired);
}

/* Returns what is to be changed: {"name":[actual or null, desired], ...}. */
static json_t *changes_new(const json_t *issuer, json_t *desired)
{
    json_t *changes = json_object(), *value;
    const char *name;

    json_object_foreach(desired, name, value)
    {
        json_t *actual = json_object_get(issuer, name);

        if (!is_same(name, actual, value))
            json_object_set_new(changes, name,
                                json_pack("[O, O]", actual ? actual : json_null(), value));
    }
    return changes;
}

/* Prints a value, and a key set by the names of its keys. */
static void print_value(const char *name, const json_t *value)
{
    CLEANUP(freep)
    char *text = NULL;
    CLEANUP(json_decrefp)
    json_t *kids = strcmp(name, "jwks") == 0 ? keys_names(value) : NULL;

    text = json_dumps(kids ? kids : value, JSON_ENCODE_ANY | JSON_COMPACT);
    issuer_print_text(text ? text : "");
}

static void print_changes(const json_t *changes)
{
    const char *name;
    json_t *pair;

    json_object_foreach((json_t *)changes, name, pair)
    {
        const json_t *actual = json_array_get(pair, 0);

        printf("%c %-14s ", json_is_null(actual) ? '+' : '~', name);
        if (!json_is_null(actual)) {
            print_value(name, actual);
            printf(" -> ");
        }
        print_value(name, json_array_get(pair, 1));
        putchar('\n');
    }
}

static int report(const struct issuer_command *command, const json_t *issuer, const json_t *changes,
                  bool is_done)
{
    bool differs = json_object_size(changes);

    if (command->options.is_json) {
        CLEANUP(json_decrefp)
        json_t *json =
            json_pack("{s:s, s:s, s:b, s:O, s:b}", "issuer", command->site.issuer->name,
                      "organization", command->site.organization, "registered",
                      (int)(issuer != NULL), "changes", changes, "changed", (int)is_done);
        int code = issuer_print_json(json);

        return code != EXIT_CODE_OK  ? code
               : !differs || is_done ? EXIT_CODE_OK
                                     : (int)EXIT_CODE_DIFFERS;
    }
    issuer_print_title(command);
    print_changes(changes);
    if (!differs)
        printf("registered, nothing to change\n");
    else if (is_done)
        printf(issuer ? "changed\n" : "registered\n");
    else
        printf("nothing was changed; with --yes, %s\n",
               issuer ? "it is changed" : "it is registered");
    return !differs || is_done ? EXIT_CODE_OK : (int)EXIT_CODE_DIFFERS;
}

/* The interface wants the name with each change, and no URL. */
static int change(struct issuer_command *command, const json_t *issuer, json_t *desired)
{
    CLEANUP(json_decrefp)
    json_t *answer = NULL;

    if (!issuer)
        return issuer_call(command, "POST", "/oidc/issuers", desired, &answer);
    json_object_del(desired, "url");
    return issuer_call_about(command, "PATCH", "/oidc/issuers", issuer, desired, &answer);
}

/* Pulumi Cloud has to reach the issuer as the daemon does, unless it is given the keys. */
static void advise(const struct issuer_command *command, const json_t *issuer, const json_t *jwks)
{
    if (command->site.issuer->is_at_api_server && !jwks && !json_object_get(issuer, "jwks"))
        fprintf(stderr,
                "podloginctl issuer: podlogind reads the keys of %s at the API server; unless its "
                "URL is public, Pulumi Cloud needs them: kubectl get --raw /openid/v1/jwks "
                ">keys.json, and --jwks keys.json\n",
                command->site.issuer->name);
}

int issuer_register(struct issuer_command *command)
{
    CLEANUP(json_decrefp)
    json_t *issuer = NULL;
    CLEANUP(json_decrefp)
    json_t *jwks = NULL;
    CLEANUP(json_decrefp)
    json_t *desired = NULL;
    CLEANUP(json_decrefp)
    json_t *changes = NULL;
    const char *jwks_path =
        command->options.jwks ? command->options.jwks : command->site.issuer->keys_file;
    bool is_done = false;
    int code = EXIT_CODE_OK;

    if (jwks_path && strcmp(jwks_path, JWKS_NONE) != 0)
        code = keys_read(jwks_path, &jwks);
    if (code == EXIT_CODE_OK)
        code = issuer_connect(command);
    if (code == EXIT_CODE_OK)
        code = issuer_find(command, &issuer);
    if (code != EXIT_CODE_OK)
        return code;
    desired = desired_new(command, issuer, jwks);
    changes = changes_new(issuer, desired);
    if (!desired || !changes)
        return issuer_fail(EXIT_CODE_FAULT, "out of memory");
    advise(command, issuer, jwks);
    if (command->options.is_confirmed && json_object_size(changes)) {
        code = change(command, issuer, desired);
        is_done = true;
    }
    return code == EXIT_CODE_OK ? report(command, issuer, changes, is_done) : code;
}

static int report_removal(const struct issuer_command *command, const json_t *issuer,
                          const struct auth_policies *actual)
{
    bool is_done = command->options.is_confirmed && issuer;
    const char *last_used = json_member_string(issuer, "lastUsed");

    if (command->options.is_json) {
        CLEANUP(json_decrefp)
        json_t *json = json_pack("{s:s, s:s, s:b, s:b}", "issuer", command->site.issuer->name,
                                 "organization", command->site.organization, "registered",
                                 (int)(issuer && !is_done), "changed", (int)is_done);
        int code = issuer_print_json(json);

        return code != EXIT_CODE_OK ? code
               : issuer && !is_done ? (int)EXIT_CODE_DIFFERS
                                    : EXIT_CODE_OK;
    }
    issuer_print_title(command);
    if (!issuer) {
        printf("not registered, nothing to remove\n");
        return EXIT_CODE_OK;
    }
    printf("- registration %s, last used ", cloud_id(issuer));
    issuer_print_text(last_used ? last_used : "never");
    putchar('\n');
    for (size_t i = 0; i < actual->n; i++)
        issuer_print_policy('-', &actual->list[i], "");
    printf(is_done ? "removed\n" : "nothing was changed; with --yes, it is removed\n");
    return is_done ? EXIT_CODE_OK : (int)EXIT_CODE_DIFFERS;
}

int issuer_remove(struct issuer_command *command)
{
    CLEANUP(json_decrefp)
    json_t *issuer = NULL;
    CLEANUP(json_decrefp)
    json_t *policy = NULL;
    CLEANUP(auth_policies_donep)
    struct auth_policies actual = {0};
    int code = issuer_connect(command);

    if (code == EXIT_CODE_OK)
        code = issuer_find(command, &issuer);
    if (code == EXIT_CODE_OK && issuer)
        code = issuer_policies(command, issuer, &policy, &actual);
    if (code == EXIT_CODE_OK && issuer && command->options.is_confirmed)
        code = issuer_call_about(command, "DELETE", "/oidc/issuers", issuer, NULL, NULL);
    return code == EXIT_CODE_OK ? report_removal(command, issuer, &actual) : code;
}
