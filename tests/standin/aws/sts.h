/* AWS STS: AssumeRoleWithWebIdentity, and GetCallerIdentity with the credentials that it gave. */
#ifndef STANDIN_AWS_STS_H
#define STANDIN_AWS_STS_H

#include "standin/upstream.h"

#define STS_VERSION   "2011-06-15"
#define STS_NAMESPACE "https://sts.amazonaws.com/doc/" STS_VERSION "/"
#define STS_KIND      "aws-sts"

extern const struct upstream_kind sts_kind;

#endif
