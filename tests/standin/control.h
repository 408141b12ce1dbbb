/* The control interface, by which a test orders tokens and faults and reads what happened. */
#ifndef STANDIN_CONTROL_H
#define STANDIN_CONTROL_H

#include "standin/request.h"

extern const struct service control_service;

#endif
