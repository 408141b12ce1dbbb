#include "standin/listeners.h"

#include <stdio.h>
#include <string.h>

#include "standin/control.h"
#include "standin/issuer.h"
#include "standin/memory.h"
#include "standin/standin.h"
#include "standin/upstream.h"

/* In the order of enum listener_id. */
const struct listener_kind listener_kinds[LISTENERS] = {
    {"issuer", "issuer-port", CERTIFICATE_TRUSTED, ISSUER_PATH, LISTENER_ISSUER, &issuer_service},
    {"upstream", "upstream-port", CERTIFICATE_TRUSTED, "", LISTENER_UPSTREAM, &upstream_service},
    {"untrusted", NULL, CERTIFICATE_UNTRUSTED, "", LISTENER_UPSTREAM, &upstream_service},
    {"control", "control-port", CERTIFICATE_NONE, "", LISTENER_CONTROL, &control_service},
};

int listeners_start(struct standin *standin, const uint16_t ports[LISTENERS], const struct ca *ca)
{
    for (size_t i = 0; i < LISTENERS; i++) {
        const struct listener_kind *kind = &listener_kinds[i];
        struct listener *listener = &standin->listeners[i];
        bool is_tls = kind->certificate != CERTIFICATE_NONE;
        int r;

        listener->standin = standin;
        listener->service = kind->service;
        listener->fault = &standin->faults[kind->fault_of];
        r = listener_start(listener, ports[i], &ca->certificates[kind->certificate]);
        if (r < 0) {
            fprintf(stderr, "podlogin-standin: %s, port %u: %s\n", kind->name, ports[i],
                    strerror(-r));
            return r;
        }
        listener->url = must_print(is_tls ? "https://localhost:%u%s" : "http://127.0.0.1:%u%s",
                                   listener->port, kind->path);
    }
    return 0;
}

void listeners_stop(struct standin *standin)
{
    for (size_t i = 0; i < LISTENERS; i++)
        listener_stop(&standin->listeners[i]);
    /* Not earlier: the threads of all listeners read the URL of the issuer. */
    for (size_t i = 0; i < LISTENERS; i++)
        free(standin->listeners[i].url);
}
