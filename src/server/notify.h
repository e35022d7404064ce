/* notify: tells the service manager that started the process how it is doing (sd_notify(3)): a datagram to the socket that NOTIFY_SOCKET names. */
#ifndef EDDA_SERVER_NOTIFY_H
#define EDDA_SERVER_NOTIFY_H

/* "READY=1", "STOPPING=1", "RELOADING=1". Nothing when nobody listens. */
void notify(const char *state);

#endif
