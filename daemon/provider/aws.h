/* AWS STS: shared by the two halves of the provider. */
#ifndef PROVIDER_AWS_H
#define PROVIDER_AWS_H

#include "provider/provider.h"

#define AWS_POLICY_ARNS_MAX 10

enum aws_setting {
    AWS_ROLE_ARN,
    AWS_REGION,
    AWS_SESSION_NAME,
    AWS_DURATION,
    AWS_POLICY,
    AWS_POLICY_ARNS,
    AWS_ENDPOINT,
};

/* Returns the URL of STS, which the caller frees: Endpoint=, or that of Region=; NULL: no memory.
 */
char *aws_endpoint(const struct provider_values *values);

#endif
