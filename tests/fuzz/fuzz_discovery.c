/* Any discovery document: it gives an https URL of keys, or a reason of one line. */
#include "base/url.h"
#include "exchanger/keys_job.h"
#include "fuzz/fuzz.h"

#define ISSUER "https://issuer.example/id/X"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[DISCOVERY_ERROR_SIZE] = "";
    CLEANUP(freep)
    char *url = discovery_read(data, size, ISSUER, error);

    if (!url) {
        PROMISE(error[0] && is_ascii(error, strlen(error), ' '));
        return 0;
    }
    PROMISE(url_is_complete(url) && strlen(url) <= 512 && is_ascii(url, strlen(url), '!'));
    PROMISE(strncmp(url, "https://", 8) == 0 && !strpbrk(url, "@#\\"));
    PROMISE(url_is_same_origin(url, url) && url_length(url) > 8);
    return 0;
}
