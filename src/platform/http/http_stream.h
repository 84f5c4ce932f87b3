/* http_stream.h - server-sent events inside http/: what http.c and http_stream.c share. */
#ifndef CR_PLATFORM_HTTP_HTTP_STREAM_H
#define CR_PLATFORM_HTTP_HTTP_STREAM_H

#include "platform/http/http.h"

typedef struct cr_http_streams {
    cr_stream *first;
    int n;
    bool resumed;             /* a connection was resumed: the daemon has to be run, its epoll descriptor does not tell */
} cr_http_streams;

cr_http_streams *cr_http_get_streams(cr_http *http);
void cr_http_streams_end(cr_http_streams *streams);
/* Gives the reply to the connection; takes the response (NULL closes the connection). */
void cr_http_send(cr_request *req, int status, struct MHD_Response *response);

#endif
