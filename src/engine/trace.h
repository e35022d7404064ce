/*
 * trace: everything of one process, by its correlation id: who recorded what, when, and what caused it; as JSON and as a sequence diagram in text.
 *
 * Needs the journal only, so a tool can draw from a data directory without the application. For the same reason a participant is whoever recorded
 * something: a service that only listened leaves no trace.
 */
#ifndef EDDA_ENGINE_TRACE_H
#define EDDA_ENGINE_TRACE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "edda/app.h"
#include "journal/journal.h"

enum trace_kind {
    TRACE_EVENT,             /* or a command: a message on a topic */
    TRACE_DEADLINE_SET,
    TRACE_DEADLINE_MOVED,    /* set again while it was pending */
    TRACE_DEADLINE_CANCELLED,
    TRACE_DEADLINE_FIRED,    /* the record that takes it away; its message is an entry of its own, `fired` */
    TRACE_SKIPPED,           /* a service did nothing, for a reason */
    TRACE_QUARANTINED,       /* a message failed, or waits behind one that did */
    TRACE_RELEASED,          /* it was handled after all, or left out */
    TRACE_COMPENSATION,      /* a step declared the command that undoes it */
    TRACE_PROCESS            /* the process finished, failed, was compensated */
};

struct trace_entry {
    enum trace_kind kind;
    uint64_t position;
    int64_t time_ms;
    int64_t due_ms;          /* of a deadline, also when it is cancelled or fires; 0: not known */
    uint64_t about;          /* position of the message that was skipped or quarantined; UINT64_MAX: not known */
    struct slice id;
    struct slice causation;
    struct slice source;     /* the service that recorded it, without the application's name; "outside" */
    struct slice type;       /* of the message; the skipped one's for a skip */
    struct slice topic;
    struct slice key;
    struct slice value;      /* JSON; data NULL: null */
    struct slice name;       /* of a deadline; of a process what became of it: "finished", "failed", "compensating", "compensated" */
    struct slice reason;     /* of a skip, a quarantine, a process that failed */
    bool fired;              /* an event: a deadline's message */
    bool undo;               /* a command: sent because the process failed */
    bool pending;            /* a deadline that is still to come; a message that is still in quarantine */
    int32_t cause;           /* ordinal of the entry that caused it, or -1 */
    int32_t effect;          /* ordinal of the first entry that it caused, or -1 */
    int32_t effect_next;     /* ordinal of the next entry with the same cause, or -1 */
};

struct trace {
    struct slice correlation;
    struct trace_entry *entries; /* in order of position */
    size_t count;
    bool more;                   /* there are more than TRACE_ENTRIES_MAX; these are the first */
};

#define TRACE_ENTRIES_MAX 10000

/* Reads a process into the arena. EDDA_ENOTFOUND when there is nothing of it. */
int trace_read(struct journal *journal, struct slice correlation, struct arena *arena, struct trace *ret_trace, struct edda_error *error);
/* Adds to the error of a process that was not found which messages of the application do not say what process they belong to: it may be
 * under their ids. */
void trace_explain(const struct edda_app *app, struct edda_error *error);
/* {"correlationId":…,"services":[…],"messages":[{"position":…,"time":…,"kind":…,"source":…,"type":…,"id":…,"causationId":…,"cause":…,"causes":[…],"data":{…}}]}
 * `cause` and `causes` are positions: of the entry that caused this one, of those that it caused. What is empty is left out. */
void trace_json(const struct trace *trace, struct buffer *out);
/* The telling members of an entry's payload, as words: amount=500 holderId=jjy. What repeats the type, the time or the process comes last or not at all. */
void trace_words(const struct trace *trace, const struct trace_entry *entry, struct buffer *out);
/* The sequence diagram: a column per service, a line per message with the time since the start, from the service that recorded it to those that acted on it. */
void trace_text(const struct trace *trace, struct buffer *out);

#endif
