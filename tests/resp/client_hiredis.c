/* hiredis against the listener on the port that is given: synchronous, and a pipeline. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "not so: %s\n", what);
    exit(1);
}

static redisReply *ask(redisContext *c, const char *key, const char *format)
{
    redisReply *reply = redisCommand(c, format, key);
    must(reply != NULL, c->errstr);
    return reply;
}

int main(int argc, char **argv)
{
    int port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;
    redisContext *c = redisConnect("127.0.0.1", port), *listener = redisConnect("127.0.0.1", port);
    must(c && !c->err && listener && !listener->err, "it connects");
    freeReplyObject(ask(listener, "hi:news", "SUBSCRIBE %s"));
    redisReply *reply = ask(c, "hi:news", "PUBLISH %s hello");
    must(reply->type == REDIS_REPLY_INTEGER && reply->integer == 1, "one gets it");
    freeReplyObject(reply);
    void *got = NULL;
    must(redisGetReply(listener, &got) == REDIS_OK, "it comes");
    reply = got;
    must(reply->elements == 3 && strcmp(reply->element[2]->str, "hello") == 0, "it is what was sent");
    freeReplyObject(reply);
    for (int i = 0; i < 1000; i++)
        must(redisAppendCommand(c, "XADD hi:stream * n %d", i) == REDIS_OK, "it is sent");
    for (int i = 0; i < 1000; i++) {
        must(redisGetReply(c, &got) == REDIS_OK && ((redisReply *)got)->type == REDIS_REPLY_STRING, "it is answered");
        freeReplyObject(got);
    }
    reply = ask(c, "hi:stream", "XRANGE %s - +");
    must(reply->elements == 1000, "all are there");
    for (int i = 0; i < 1000; i++)
        must(strtol(reply->element[i]->element[1]->element[1]->str, NULL, 10) == i, "in order");
    freeReplyObject(reply);
    freeReplyObject(ask(c, "hi:stream", "XGROUP CREATE %s g 0"));
    reply = ask(c, "hi:stream", "XREADGROUP GROUP g a COUNT 10 STREAMS %s >");
    must(reply->elements == 1 && reply->element[0]->elements == 2 && reply->element[0]->element[1]->elements == 10, "ten are given");
    freeReplyObject(reply);
    reply = ask(c, "hi:stream", "XPENDING %s g");
    must(reply->elements == 4 && reply->element[0]->integer == 10, "they are pending");
    freeReplyObject(reply);
    reply = ask(c, "hi:stream", "XREADGROUP GROUP no a STREAMS %s >");
    must(reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOGROUP ", 8) == 0, "there is no such group");
    freeReplyObject(reply);
    redisFree(c);
    redisFree(listener);
    puts("done");
    return 0;
}
