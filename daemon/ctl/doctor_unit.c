/* podloginctl doctor: settings of the daemon's unit that take away what the daemon needs. */
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "base/cleanup.h"
#include "ctl/doctor.h"

#define MANAGER  "org.freedesktop.systemd1"
#define UNIT     "/org/freedesktop/systemd1/unit/podlogind_2eservice"
#define PRIVATE  "unix:path=/run/systemd/private" /* for root; also without a bus */
#define BUS_USEC (5 * SECOND_USEC)

/* The service manager listens there itself, as systemctl expects it. */
static int connect_privately(sd_bus **ret_bus)
{
    CLEANUP(sd_bus_flush_close_unrefp)
    sd_bus *bus = NULL;
    int r = sd_bus_new(&bus);

    if (r >= 0)
        r = sd_bus_set_address(bus, PRIVATE);
    if (r >= 0)
        r = sd_bus_start(bus);
    if (r >= 0)
        *ret_bus = TAKE_PTR(bus);
    return r;
}

static int connect_to_manager(sd_bus **ret_bus)
{
    int r = sd_bus_open_system(ret_bus);

    return r < 0 && !getenv("DBUS_SYSTEM_BUS_ADDRESS") ? connect_privately(ret_bus) : r;
}

static int read_text(sd_bus *bus, const char *interface, const char *name, char **ret_text)
{
    return sd_bus_get_property_string(bus, MANAGER, UNIT, interface, name, NULL, ret_text);
}

/* Settings that this version of systemd does not have are left alone. */
static int unit_read(sd_bus *bus, struct doctor_unit *unit)
{
    int r = read_text(bus, MANAGER ".Unit", "LoadState", &unit->state), is_private = 0;

    if (r < 0)
        return r;
    (void)read_text(bus, MANAGER ".Service", "RuntimeDirectoryPreserve", &unit->preserves);
    (void)read_text(bus, MANAGER ".Service", "ProtectProc", &unit->protects);
    (void)sd_bus_get_property_trivial(bus, MANAGER, UNIT, MANAGER ".Service", "PrivateUsers", NULL,
                                      'b', &is_private);
    unit->is_private = is_private;
    return 0;
}

void doctor_find_unit(struct doctor *doctor)
{
    CLEANUP(sd_bus_flush_close_unrefp)
    sd_bus *bus = NULL;
    int r = connect_to_manager(&bus);

    if (r >= 0) {
        sd_bus_set_method_call_timeout(bus, BUS_USEC);
        r = unit_read(bus, &doctor->unit);
    }
    doctor->unit.error = r;
}

void doctor_unit_done(struct doctor_unit *unit)
{
    free(unit->state);
    free(unit->preserves);
    free(unit->protects);
}

static void judge(struct doctor *doctor, const struct doctor_unit *unit)
{
    const struct doctor_verdict hidden =
        DOCTOR_FAILS(EXIT_CODE_CONFIG, "remove it from podlogind.service");
    bool needs_peers = doctor->config->attestation == ATTESTATION_ENFORCE;
    bool is_user_private = needs_peers && unit->is_private;
    bool is_proc_private = needs_peers && unit->protects && strcmp(unit->protects, "default") != 0;
    bool is_key_lost = strcmp(doctor->config->cache_key, "runtime") == 0 && unit->preserves &&
                       strcmp(unit->preserves, "no") == 0;

    if (is_user_private)
        doctor_add(&doctor->report, "unit", hidden,
                   "PrivateUsers=yes puts the daemon into a user namespace");
    if (is_proc_private)
        doctor_add(&doctor->report, "unit", hidden,
                   "ProtectProc=%s hides the processes of pods from the daemon", unit->protects);
    if (is_key_lost)
        doctor_add(
            &doctor->report, "unit",
            DOCTOR_WARNS("set RuntimeDirectoryPreserve=yes in podlogind.service"),
            "RuntimeDirectoryPreserve=no: the key of CacheKey=runtime, and all cached tokens "
            "with it, are lost at each restart");
    if (!is_user_private && !is_proc_private && !is_key_lost)
        doctor_add(&doctor->report, "unit", DOCTOR_PASSES,
                   "podlogind.service lets the daemon see processes and keep its key");
}

void doctor_check_unit(struct doctor *doctor)
{
    const struct doctor_unit *unit = &doctor->unit;

    if (unit->error < 0)
        doctor_add(&doctor->report, "unit", DOCTOR_SKIPS(NULL),
                   "systemd cannot be asked about podlogind.service: %s", strerror(-unit->error));
    else if (strcmp(unit->state, "loaded") != 0)
        doctor_add(&doctor->report, "unit", DOCTOR_SKIPS(NULL),
                   "systemd has no podlogind.service (%s)", unit->state);
    else
        judge(doctor, unit);
}
