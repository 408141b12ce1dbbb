/* podloginctl doctor: settings of the daemon's unit that take away what the daemon needs. */
#include <string.h>
#include <systemd/sd-bus.h>

#include "base/cleanup.h"
#include "ctl/doctor.h"

#define UNIT       "/org/freedesktop/systemd1/unit/podlogind_2eservice"
#define BUS_USEC   (5 * SECOND_USEC)
#define CHECK_NAME "unit"

static int property(sd_bus *bus, const char *interface, const char *name, char **ret_text)
{
    return sd_bus_get_property_string(bus, "org.freedesktop.systemd1", UNIT, interface, name, NULL,
                                      ret_text);
}

/* Returns the property; NULL: the service manager does not have it. The caller frees it. */
static char *service_property(sd_bus *bus, const char *name)
{
    char *text = NULL;

    return property(bus, "org.freedesktop.systemd1.Service", name, &text) < 0 ? NULL : text;
}

static bool is_text(const char *text, const char *expected)
{
    return text && strcmp(text, expected) == 0;
}

static void judge(struct doctor *doctor, sd_bus *bus)
{
    CLEANUP(freep)
    char *preserve = service_property(bus, "RuntimeDirectoryPreserve");
    CLEANUP(freep)
    char *protects = service_property(bus, "ProtectProc");
    bool needs_peers = doctor->config->attestation == ATTESTATION_ENFORCE, is_fine = true;
    int is_private = 0;

    if (sd_bus_get_property_trivial(bus, "org.freedesktop.systemd1", UNIT,
                                    "org.freedesktop.systemd1.Service", "PrivateUsers", NULL, 'b',
                                    &is_private) < 0)
        is_private = 0;
    if (needs_peers && is_private) {
        is_fine = false;
        doctor_add(&doctor->report, CHECK_NAME,
                   DOCTOR_FAILS(EXIT_CODE_CONFIG, "remove it from podlogind.service"),
                   "PrivateUsers=yes puts the daemon into a user namespace");
    }
    if (needs_peers && protects && strcmp(protects, "default") != 0) {
        is_fine = false;
        doctor_add(&doctor->report, CHECK_NAME,
                   DOCTOR_FAILS(EXIT_CODE_CONFIG, "remove it from podlogind.service"),
                   "ProtectProc=%s hides the processes of pods from the daemon", protects);
    }
    if (is_text(preserve, "no") && strcmp(doctor->config->cache_key, "runtime") == 0) {
        is_fine = false;
        doctor_add(
            &doctor->report, CHECK_NAME,
            DOCTOR_WARNS("set RuntimeDirectoryPreserve=yes in podlogind.service"),
            "RuntimeDirectoryPreserve=no: the key of CacheKey=runtime, and all cached tokens "
            "with it, are lost at each restart");
    }
    if (is_fine)
        doctor_add(&doctor->report, CHECK_NAME, DOCTOR_PASSES,
                   "podlogind.service lets the daemon see processes and keep its key");
}

void doctor_check_unit(struct doctor *doctor)
{
    CLEANUP(sd_bus_flush_close_unrefp)
    sd_bus *bus = NULL;
    CLEANUP(freep)
    char *state = NULL;
    int r = sd_bus_open_system(&bus);

    if (r >= 0) {
        sd_bus_set_method_call_timeout(bus, BUS_USEC);
        r = property(bus, "org.freedesktop.systemd1.Unit", "LoadState", &state);
    }
    if (r < 0)
        doctor_add(&doctor->report, CHECK_NAME, DOCTOR_SKIPS(NULL),
                   "systemd cannot be asked about podlogind.service: %s", strerror(-r));
    else if (!is_text(state, "loaded"))
        doctor_add(&doctor->report, CHECK_NAME, DOCTOR_SKIPS(NULL),
                   "systemd has no podlogind.service (%s)", state);
    else
        judge(doctor, bus);
}
