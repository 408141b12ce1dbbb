/* Tells the service manager about the state of this process, as sd_notify(3) does. */
#ifndef COMMAND_NOTIFY_H
#define COMMAND_NOTIFY_H

/* Sends @state, such as "READY=1", to $NOTIFY_SOCKET, if that is set. Errors do not matter. */
void notify(const char *state);

#endif
