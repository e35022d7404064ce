/* notify: tells the service manager that started the process how it is doing (sd_notify(3)): a datagram to a
 * socket, the path of which is in the variable NOTIFY_SOCKET; NULL: nobody listens. */
#ifndef EDDA_SERVER_NOTIFY_H
#define EDDA_SERVER_NOTIFY_H

/* "READY=1", "STOPPING=1", "RELOADING=1". */
void notify(const char *socket, const char *state);

#endif
