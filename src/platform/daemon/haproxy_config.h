/* haproxy_config.h - the text of RUN/haproxy.cfg, from validated settings only. Every rule and why is in haproxy_config.c. */
#ifndef CR_PLATFORM_DAEMON_HAPROXY_CONFIG_H
#define CR_PLATFORM_DAEMON_HAPROXY_CONFIG_H

#include "base/buf.h"
#include "platform/daemon/config.h"

/* files: HAProxy's limit of open files, from which maxconn follows. */
cr_status cr_haproxy_config(const cr_config *c, uint64_t files, cr_buf *out, cr_err *err) CR_MUST_USE;

#endif
