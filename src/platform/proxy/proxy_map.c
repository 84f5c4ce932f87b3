/* proxy_map.c - the wanted entries, and the comparison with what HAProxy has. */
#include "platform/proxy/proxy_map.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/log.h"
#include "base/map.h"
#include "platform/proxy/proxy_link.h"
#include "platform/proxy/proxy_text.h"

enum { ENTRIES_MAX = 20000, SYNC_MS = 30000 };

typedef struct entry {
    char key[CR_PROXY_MAP_WORD_MAX + 1], value[CR_PROXY_MAP_WORD_MAX + 1];
    cr_loop_fn done;
    void *user;
    bool seen;                /* in HAProxy, by the comparison that runs */
} entry;

struct cr_proxy_map {
    cr_loop *loop;
    char name[300];
    cr_proxy_link *link;
    cr_map entries;           /* key -> entry */
    cr_timer timer;
    bool syncing;
};

static void tell_done(entry *e) {
    cr_loop_fn done = e->done;
    e->done = NULL;
    if (done)
        done(e->user);
}

static void on_set(void *user, const char *key, const char *reply) {
    cr_proxy_map *m = user;
    entry *e = cr_map_get(&m->entries, key);
    if (!e || !reply)
        return;
    if (strstr(reply, "not found"))   /* before all else that waits, so that nobody adds the key in between */
        cr_proxy_link_next(m->link, on_set, m, key, "add map %s %s %s", m->name, e->key, e->value);
    else if (reply[strspn(reply, "\n ")])
        cr_log(CR_LOG_WARN, "the proxy refused an entry", "key=%s reply=%s", key, reply);
    else
        tell_done(e);
}

static void send_entry(cr_proxy_map *m, const entry *e) {
    cr_proxy_link_send(m->link, on_set, m, e->key, "set map %s %s %s", m->name, e->key, e->value);
}

cr_status cr_proxy_map_set(cr_proxy_map *m, const char *key, const char *value, cr_loop_fn done, void *user, cr_err *err) {
    if (strlen(key) > CR_PROXY_MAP_WORD_MAX || strlen(value) > CR_PROXY_MAP_WORD_MAX || !cr_proxy_text_is_word(key) || !cr_proxy_text_is_word(value))
        return CR_FAIL(err, CR_INVALID, "the entry %s is not one that the proxy can hold", key);
    entry *e = cr_map_get(&m->entries, key);
    if (!e) {
        e = calloc(1, sizeof *e);
        if (!e)
            return CR_FAIL(err, CR_MEMORY, "no memory for an entry of the proxy");
        cr_status status = cr_map_set(&m->entries, key, e, err);
        if (status != CR_OK) {
            free(e);
            return status;
        }
    }
    snprintf(e->key, sizeof e->key, "%s", key);
    snprintf(e->value, sizeof e->value, "%s", value);
    e->done = done;
    e->user = user;
    send_entry(m, e);
    return CR_OK;
}

void cr_proxy_map_remove(cr_proxy_map *m, const char *key) {
    entry *e = cr_map_remove(&m->entries, key);
    if (!e)
        return;
    cr_proxy_link_send(m->link, NULL, NULL, "", "del map %s %s", m->name, key);
    free(e);
}

static void on_list(void *user, const char *arg, const char *reply) {
    cr_proxy_map *m = user;
    const char *key, *value;
    void *found;
    m->syncing = false;
    if (!reply)
        return;
    for (size_t i = 0; (i = cr_map_next(&m->entries, i, NULL, &found));)
        ((entry *)found)->seen = false;
    cr_auto_free char *copy = strdup(reply);
    char *rest = copy;
    while (cr_proxy_text_map(&rest, &key, &value)) {
        entry *e = cr_map_get(&m->entries, key);
        if (e && strcmp(e->value, value) == 0 && !e->seen) {
            e->seen = true;
            continue;
        }
        /* Not wanted, wrong, or there twice: after this every entry of the key is gone. */
        cr_proxy_link_send(m->link, NULL, NULL, "", "del map %s %s", m->name, key);
        if (e)
            e->seen = false;
    }
    for (size_t i = 0; (i = cr_map_next(&m->entries, i, NULL, &found));) {
        entry *e = found;
        if (e->seen)
            tell_done(e);
        else
            send_entry(m, e);
    }
}

static void compare(cr_proxy_map *m) {
    if (m->syncing || !cr_proxy_link_is_up(m->link))
        return;
    m->syncing = true;
    cr_proxy_link_send(m->link, on_list, m, "", "show map %s", m->name);
}

static void on_timer(void *user) {
    cr_proxy_map *m = user;
    cr_timer_start(m->loop, &m->timer, SYNC_MS, on_timer, m);
    compare(m);
}

static void on_link(void *user) {
    cr_proxy_map *m = user;
    m->syncing = false;
    compare(m);
}

void cr_proxy_map_reconnect(cr_proxy_map *m) { cr_proxy_link_reconnect(m->link); }

cr_status cr_proxy_map_new(cr_loop *loop, const char *socket_path, const char *map, cr_proxy_map **ret_map, cr_err *err) {
    cr_proxy_map *m = calloc(1, sizeof *m);
    if (!m)
        return CR_FAIL(err, CR_MEMORY, "no memory for a map of the proxy");
    m->loop = loop;
    snprintf(m->name, sizeof m->name, "%s", map);
    cr_map_init(&m->entries, ENTRIES_MAX);
    cr_status status = cr_proxy_link_new(loop, socket_path, on_link, m, &m->link, err);
    if (status != CR_OK) {
        free(m);
        return status;
    }
    cr_timer_start(loop, &m->timer, SYNC_MS, on_timer, m);
    *ret_map = m;
    return CR_OK;
}

void cr_proxy_map_free(cr_proxy_map *m) {
    void *found;
    if (!m)
        return;
    cr_timer_stop(&m->timer);
    cr_proxy_link_free(m->link);
    for (size_t i = 0; (i = cr_map_next(&m->entries, i, NULL, &found));)
        free(found);
    cr_map_done(&m->entries);
    free(m);
}
