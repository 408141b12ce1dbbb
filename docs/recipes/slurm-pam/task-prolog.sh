#!/bin/sh
# TaskProlog= in slurm.conf: what this prints becomes the environment of the task. slurmd logs it at debug level, so the
# token itself is left out: the Pulumi CLI reads it from PULUMI_CREDENTIALS_PATH.
export PODLOGIN_SERVER_UID=65532 # the user of the daemon in its pod
variables=$(/usr/bin/podlogin env --format dotenv pulumi) || exit 1
printf '%s\n' "PODLOGIN_SERVER_UID=$PODLOGIN_SERVER_UID" "$variables" | sed '/^PULUMI_ACCESS_TOKEN=/d; s/^/export /'
