/* The control interface, by which a test orders tokens and faults and reads what happened. */
#pragma once

struct service;

void control_service(struct service *ret_service);
