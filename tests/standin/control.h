/* The control interface, by which a test orders tokens and faults and reads what happened. */
#ifndef STANDIN_CONTROL_H
#define STANDIN_CONTROL_H

struct service;

void control_service(struct service *ret_service);

#endif
