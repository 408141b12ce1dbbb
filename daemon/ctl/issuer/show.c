/* podloginctl issuer show */
#include "ctl/issuer/issuer.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "ctl/issuer/keys.h"
#include "ctl/table.h"

static const struct column columns[] = {
    {"NAME", "name", COLUMN_TEXT},
    {"URL", "url", COLUMN_TEXT},
    {"MAX EXPIRATION", "maxExpiration", COLUMN_SPAN},
    {"KEYS", "keys", COLUMN_TEXT},
    {"LAST USED", "lastUsed", COLUMN_TEXT},
    {0},
};

static void print(const struct issuer_command *command, json_t *issuer,
                  const struct auth_policies *actual, const struct auth_policies *derived)
{
    CLEANUP(json_decrefp)
    json_t *rows = json_pack("[O]", issuer);
    const json_t *jwks = json_object_get(issuer, "jwks");
    char keys[64] = "published";

    if (jwks)
        snprintf(keys, sizeof(keys), "%zu registered",
                 json_array_size(json_object_get(jwks, "keys")));
    json_object_set_new(issuer, "keys", json_string(keys));
    issuer_print_title(command);
    table_print(rows, columns);
    for (size_t i = 0; i < actual->n; i++)
        issuer_print_policy(' ', &actual->list[i],
                            auth_policies_have(derived, &actual->list[i]) ? ""
                                                                          : "of no service here");
}

int issuer_show(struct issuer_command *command)
{
    CLEANUP(json_decrefp)
    json_t *issuer = NULL;
    CLEANUP(json_decrefp)
    json_t *policy = NULL;
    CLEANUP(auth_policies_donep)
    struct auth_policies actual = {0};
    CLEANUP(auth_policies_donep)
    struct auth_policies derived = {0};
    int code = issuer_derive(command, &derived);

    if (code == EXIT_CODE_OK)
        code = issuer_connect(command);
    if (code == EXIT_CODE_OK)
        code = issuer_find(command, &issuer);
    if (code == EXIT_CODE_OK && issuer)
        code = issuer_policies(command, issuer, &policy, &actual);
    if (code != EXIT_CODE_OK)
        return code;
    if (command->options.is_json) {
        CLEANUP(json_decrefp)
        json_t *json =
            json_pack("{s:s, s:s, s:O, s:O}", "issuer", command->site.issuer->name, "organization",
                      command->site.organization, "registration", issuer ? issuer : json_null(),
                      "policy", policy ? policy : json_null());

        code = issuer_print_json(json);
        return code != EXIT_CODE_OK || issuer ? code : (int)EXIT_CODE_DIFFERS;
    }
    if (issuer) {
        print(command, issuer, &actual, &derived);
        return EXIT_CODE_OK;
    }
    issuer_print_title(command);
    printf("not registered; podloginctl issuer register does that\n");
    return EXIT_CODE_DIFFERS;
}
