#include "sandbox/exporter.h"

#include "sandbox/sandbox.h"

void sandbox_exporter(void)
{
    struct file_rules none;

    file_rules_init(&none, false);
    sandbox_enter(SANDBOX_EXPORTER, &none);
}
