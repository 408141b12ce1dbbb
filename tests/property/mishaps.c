/* Events in and around the daemon: reloads, restarts, outages. */
#include "property.h"

/* Reloads in the same order as daemon/main.c. */
void daemon_reload(void)
{
    const struct config *fresh, *before = world.config;
    struct issuer **same;

    for (uint64_t i = random_below(20); i > 0; i--)
        request_ask(); /* so that a request waits */
    config_make(false);
    fresh = config_read();
    assert_int_equal(identities_prepare(&world.identities, fresh, &same), 0);
    world.config = fresh;
    for (size_t i = 0; i < REQUESTS; i++) {
        struct request *request = &world.requests[i];
        const struct service *service = request->waiter.service, *then;

        if (!request->identity)
            continue;
        then = config_service(fresh, service->name, strlen(service->name));
        if (then && service_is_same(then, service))
            request->waiter.service = then;
        else
            request_end(request);
    }
    broker_reload(&world.broker, fresh);
    identities_reload(&world.identities, fresh, same);
    config_unref(before);
    counts.reloads++;
}

void broker_end(void)
{
    world.disk.mode = SIM_DISK_WORKS;
    sim_hold_disk = false;
    sim_run_for(0); /* completes pending writes */
    for (size_t i = 0; i < REQUESTS; i++)
        if (world.requests[i].identity)
            request_end(&world.requests[i]);
    broker_done(&world.broker);
}

void daemon_restart(void)
{
    broker_end();
    for (size_t i = 0; i < PODS; i++) {
        char jwt[1024];

        snprintf(jwt, sizeof(jwt), "%.*s", (int)world.pods[i].identity->jwt->len,
                 (const char *)world.pods[i].identity->jwt->bytes);
        pod_login(&world.pods[i], jwt);
    }
    sim_broker_init(&world.broker, &world.identities, world.config, &world.disk);
    counts.restarts++;
}

void upstream_turn_over(void)
{
    if (world.is_down)
        world.up_since_usec = sim_now_usec;
    world.is_down = !world.is_down && random_below(3) == 0;
}

void disk_turn_over(void)
{
    world.disk.mode = random_below(2) ? SIM_DISK_WORKS : (unsigned)random_below(3);
    sim_hold_disk = random_below(4) == 0;
}
