/* A server, served in the test's own thread, and clients that talk to it over loopback. */
#ifndef EDDA_TESTS_SERVER_TALK_H
#define EDDA_TESTS_SERVER_TALK_H

#include "server_fake.h"
#include "support.h"

struct talk {
    struct fake_journal journal;
    struct engine engine;
    struct io *io;
    struct server *server;
    int fd; /* of the first client */
};

void talk_open(struct talk *talk, const struct server_limits *limits);
/* With a first listener that speaks this, and a second one of HTTP; the client is one of the first. */
void talk_open_speaking(struct talk *talk, const struct server_limits *limits, const struct protocol *protocol);
void talk_close(struct talk *talk);
/* A further client, of the first listener or the n-th. */
int talk_connect(struct talk *talk);
int talk_connect_to(struct talk *talk, size_t ordinal);
void talk_send(struct talk *talk, int fd, const char *bytes, size_t len);
/* Lets the server take so many turns. */
void talk_turns(struct talk *talk, int turns);
/* What the client has received after it has got `len_min` bytes (0: one whole answer), or the connection has ended, or nothing came for a second. Without its
 * Date headers, zero-terminated; the caller frees it. */
char *talk_receive(struct talk *talk, int fd, size_t len_min, bool *ret_ended);
/* Sends, and asserts that exactly this comes back, and that the connection goes on. */
void talk_expect(struct talk *talk, const char *sent, const char *expected);
/* The same, and that the connection ends with it. */
void talk_expect_end(struct talk *talk, const char *sent, const char *expected);
/* Sends a request and asserts its status and that the answer contains `part`. */
void talk_expect_part(struct talk *talk, const char *sent, int status, const char *part);

#endif
