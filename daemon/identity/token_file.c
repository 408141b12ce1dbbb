#include "identity/token_file.h"

#include "base/file.h"
#include "protocol/messages.h"

int token_file_read(const char *path, struct secret **ret_token)
{
    CLEANUP(secret_freep)
    struct secret *text = NULL;
    int r = file_read_secret(path, PODLOGIN_JWT_MAX + 1, &text);

    if (r < 0)
        return r;
    if (text->len && text->bytes[text->len - 1] == '\n')
        text->len--;
    *ret_token = TAKE_PTR(text);
    return 0;
}
