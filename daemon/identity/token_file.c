#include "identity/token_file.h"

#include <errno.h>

#include "base/file.h"
#include "protocol/messages.h"

#define FILE_MAX (PODLOGIN_JWT_MAX + 64) /* bytes: a token, and white space after it */

int token_file_read(const char *path, struct secret **ret_token)
{
    CLEANUP(secret_freep)
    struct secret *text = NULL;
    int r = file_read_secret(path, FILE_MAX, &text);

    if (r < 0)
        return r;
    file_cut_white_end(text);
    if (!text->len)
        return -ENODATA;
    if (text->len > PODLOGIN_JWT_MAX)
        return -EFBIG;
    *ret_token = TAKE_PTR(text);
    return 0;
}
