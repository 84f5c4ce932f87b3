/* http_stream.c - server-sent events: a connection sleeps (suspended) until there is something to say. */
#include "platform/http/http_stream.h"

#include <microhttpd.h>
#include <stdlib.h>

enum { STREAM_BUFFER = 64 * 1024 };

struct cr_stream {
    cr_http_streams *set;
    struct MHD_Connection *connection;
    cr_buf waiting;           /* bytes to send */
    bool asleep, ended;
    void (*on_close)(void *user);
    void *user;
    cr_stream_owner owner;
    cr_stream *prev, *next;   /* newest first */
};

static ssize_t reader(void *cls, uint64_t pos, char *buf, size_t max) {
    cr_stream *s = cls;
    if (s->waiting.len) {
        size_t n = CR_MIN(max, s->waiting.len);
        memcpy(buf, s->waiting.data, n);
        cr_buf_consume(&s->waiting, n);
        return (ssize_t)n;
    }
    if (s->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    s->asleep = true;
    MHD_suspend_connection(s->connection);
    return 0;
}

static void wake(cr_stream *s) {
    if (s->asleep) {
        s->asleep = false;
        s->set->resumed = true;
        MHD_resume_connection(s->connection);
    }
}

/* The library is done with the reply: all was sent, or the reader went away. */
static void closed(void *cls) {
    cr_stream *s = cls;
    if (s->prev)
        s->prev->next = s->next;
    else
        s->set->first = s->next;
    if (s->next)
        s->next->prev = s->prev;
    s->set->n--;
    if (!s->ended && s->on_close)
        s->on_close(s->user);
    cr_buf_done(&s->waiting);
    free(s);
}

/* The stream ends before its giver says so. */
static void cut(cr_stream *s) {
    if (!s->ended && s->on_close)
        s->on_close(s->user);
    s->on_close = NULL;
    cr_stream_end(s);
}

/* Nobody fills the places of all: the oldest streams of this person and of this sign-in go, until there is room for one. */
static void make_room(cr_http_streams *set, cr_stream_owner owner) {
    int person = 0, session = 0;
    for (cr_stream *s = set->first, *next; s; s = next) {
        next = s->next;
        if (s->ended || s->owner.person != owner.person)
            continue;
        bool same = s->owner.session == owner.session;
        if (person + 1 >= CR_HTTP_STREAMS_PERSON || (same && session + 1 >= CR_HTTP_STREAMS_SESSION)) {
            cut(s);
            continue;
        }
        person++;
        session += same;
    }
}

cr_stream *cr_reply_stream(cr_request *req, cr_stream_owner owner, void (*on_close)(void *user), void *user) {
    cr_http_streams *set = cr_http_get_streams(req->http);
    cr_stream *s = set->n < CR_HTTP_STREAMS_MAX ? calloc(1, sizeof *s) : NULL;
    struct MHD_Response *response = s ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, reader, s, closed) : NULL;
    if (!response) {
        free(s);
        cr_reply_error(req, 503, "too many pages are waiting for news; reload in a minute", "");
        return NULL;
    }
    make_room(set, owner);
    cr_buf_init(&s->waiting, STREAM_BUFFER);
    s->set = set;
    s->owner = owner;
    s->connection = req->connection;
    s->on_close = on_close;
    s->user = user;
    s->next = set->first;
    if (s->next)
        s->next->prev = s;
    set->first = s;
    set->n++;
    MHD_add_response_header(response, "Content-Type", "text/event-stream");
    /* So that a shutdown does not wait for the reader. */
    MHD_add_response_header(response, "Connection", "close");
    cr_http_send(req, 200, response);
    return s;
}

void cr_stream_send(cr_stream *s, const json_t *event) {
    char *text = json_dumps(event, JSON_COMPACT);
    if (text) {
        cr_buf_adds(&s->waiting, "data: ");
        cr_buf_adds(&s->waiting, text);
        cr_buf_adds(&s->waiting, "\n\n");
    }
    free(text);
    wake(s);
}

/* A comment now and then, so that nobody on the way takes a quiet stream for a dead one. */
void cr_http_keep_streams_alive(cr_http *http) {
    for (cr_stream *s = cr_http_get_streams(http)->first; s; s = s->next) {
        cr_buf_adds(&s->waiting, ":\n\n");
        wake(s);
    }
}

void cr_stream_end(cr_stream *s) {
    s->ended = true;
    wake(s);
}

void cr_http_streams_end(cr_http_streams *streams) {
    for (cr_stream *s = streams->first; s; s = s->next)
        cut(s);
}
