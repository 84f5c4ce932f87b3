/* listener.c - lines of /proc/net/tcp. */
#include "platform/gateway/listener.h"

#include <arpa/inet.h>
#include <stdio.h>
#include "base/file.h"

enum { TABLE_MAX = 32 << 20, LISTENING = 0x0A };

bool cr_listener_owner(char *text, int64_t port, int64_t *ret_uid) {
    for (char *line; (line = strsep(&text, "\n"));) {
        unsigned address, at, state, uid;
        /* sl: local_address:port remote:port state queues timer retransmissions uid */
        if (sscanf(line, " %*d: %8X:%4X %*8X:%*4X %2X %*X:%*X %*X:%*X %*X %u", &address, &at, &state, &uid) == 4 && state == LISTENING &&
            at == (unsigned)port && address == htonl(INADDR_LOOPBACK)) {
            *ret_uid = uid;
            return true;
        }
    }
    return false;
}

cr_status cr_listener_check(const int64_t *ports, int n, int64_t uid, cr_err *err) {
    cr_auto_buf cr_buf table;
    cr_buf_init(&table, TABLE_MAX);
    CR_TRY(cr_file_read("/proc/net/tcp", &table, err));
    for (int i = 0; i < n; i++) {
        int64_t owner = -1;
        cr_auto_free char *copy = strdup(cr_buf_str(&table));
        if (!copy)
            return CR_FAIL(err, CR_MEMORY, "no memory to look for a listener");
        if (ports[i] && (!cr_listener_owner(copy, ports[i], &owner) || owner != uid))
            return CR_FAIL(err, CR_DENIED, "port %lld of 127.0.0.1 is not one of this cluster's account", (long long)ports[i]);
    }
    return CR_OK;
}
