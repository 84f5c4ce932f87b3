/* throttle.c - counters in a bounded map; when it is full, those go first that hold nobody back. */
#include "platform/identity/throttle.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/map.h"

enum { ENTRIES_MAX = 30000, KEY_BYTES = 160, FADE_MS = 3600 * 1000, MINUTE_MS = 60 * 1000, ADDRESS_OPEN = 48, KNOWN_OPEN = 5, OPEN_WAIT_MS = 1000 };

typedef struct counter {
    int failures, open;       /* attempts that were wrong; that are under way */
    int64_t last_ms;          /* when the last one was let through */
} counter;

struct cr_throttle {
    cr_map counters;
    int strangers;
};

typedef enum { PAIR, NAME, ADDRESS, DEVICE, KNOWN, KINDS } kind;
static const struct {
    char letter;
    bool of_stranger;
    int free_failures;
    int64_t longest_ms;       /* of a name shorter: it is the one counter that strangers fill for each other */
} kinds[KINDS] = {
    [PAIR] = {'p', true, 5, 15 * MINUTE_MS},
    [NAME] = {'n', true, 30, 5 * MINUTE_MS},
    [ADDRESS] = {'a', true, 50, 15 * MINUTE_MS},
    [DEVICE] = {'d', false, 5, 15 * MINUTE_MS},
    [KNOWN] = {'k', false, 0, 0},     /* of a name, all its browsers: only how many at a time */
};

static void make_key(kind k, const cr_attempt *a, char key[KEY_BYTES]) {
    /* A newline can be part of neither, so the parts cannot be mixed up. */
    const char *who = k == DEVICE ? a->device : k == NAME || k == KNOWN ? "" : a->address;
    snprintf(key, KEY_BYTES, "%c%s\n%s", kinds[k].letter, who, k == ADDRESS ? "" : a->name);
}

void cr_throttle_address(const char *text, char out[CR_THROTTLE_ADDRESS_BYTES]) {
    struct in6_addr v6;
    snprintf(out, CR_THROTTLE_ADDRESS_BYTES, "%.*s", CR_THROTTLE_ADDRESS_BYTES - 1, text);
    if (inet_pton(AF_INET6, text, &v6) != 1)
        return;
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
        inet_ntop(AF_INET, &v6.s6_addr[12], out, CR_THROTTLE_ADDRESS_BYTES);
        return;
    }
    memset(&v6.s6_addr[8], 0, 8);
    inet_ntop(AF_INET6, &v6, out, CR_THROTTLE_ADDRESS_BYTES);
}

cr_status cr_throttle_new(cr_throttle **ret_throttle, cr_err *err) {
    cr_throttle *t = calloc(1, sizeof *t);
    if (!t)
        return CR_FAIL(err, CR_MEMORY, "no memory for sign-in limits");
    cr_map_init(&t->counters, ENTRIES_MAX);
    *ret_throttle = t;
    return CR_OK;
}

void cr_throttle_free(cr_throttle *t) {
    if (!t)
        return;
    void *c;
    for (size_t i = 0; (i = cr_map_next(&t->counters, i, NULL, &c));)
        free(c);
    cr_map_done(&t->counters);
    free(t);
}

int cr_throttle_strangers(const cr_throttle *t) { return t->strangers; }

static bool has_faded(const counter *c, int64_t now_ms) { return !c->open && now_ms - c->last_ms > FADE_MS; }

/* Counted from the last attempt that was let through, so that a wait once told does not grow. */
static int64_t wait_of(kind k, const counter *c, int64_t now_ms) {
    if (has_faded(c, now_ms))
        return 0;
    if (k == KNOWN)
        return c->open >= KNOWN_OPEN ? OPEN_WAIT_MS : 0;
    if (k == ADDRESS && c->open >= ADDRESS_OPEN)
        return OPEN_WAIT_MS;
    /* A class signs in together: what is under way at an address does not count as wrong there. */
    int used = c->failures + (k == ADDRESS ? 0 : c->open);
    if (used < kinds[k].free_failures)
        return 0;
    int64_t pause = CR_MIN((int64_t)1000 << CR_MIN(used - kinds[k].free_failures, 12), kinds[k].longest_ms);
    return CR_MAX(c->last_ms + pause - now_ms, (int64_t)0);
}

static bool holds_nobody(const char *key, const counter *c) {
    for (kind k = 0; k < KINDS; k++)
        if (key[0] == kinds[k].letter)
            return !c->open && c->failures < kinds[k].free_failures;
    return false;
}

static void sweep(cr_throttle *t, bool also_harmless, int64_t now_ms) {
    const char *key;
    void *value;
    char *old[256];
    size_t n;
    do {
        n = 0;
        for (size_t i = 0; n < CR_ARRAY_LEN(old) && (i = cr_map_next(&t->counters, i, &key, &value));)
            if ((has_faded(value, now_ms) || (also_harmless && holds_nobody(key, value))) && (old[n] = strdup(key)))
                n++;
        for (size_t i = 0; i < n; i++) {
            free(cr_map_remove(&t->counters, old[i]));
            free(old[i]);
        }
    } while (n);
}

static counter *counter_of(cr_throttle *t, const char *key, int64_t now_ms) {
    counter *c = cr_map_get(&t->counters, key);
    if (!c) {
        c = calloc(1, sizeof *c);
        /* Still full: the counters that hold somebody back are there and go on doing so. */
        if (!c || cr_map_set(&t->counters, key, c, NULL) != CR_OK) {
            free(c);
            return NULL;
        }
    }
    if (has_faded(c, now_ms))
        c->failures = 0;
    return c;
}

int64_t cr_throttle_begin(cr_throttle *t, const char *name, const char *address, const char *device, int64_t now_ms, cr_attempt *a) {
    char key[KEY_BYTES];
    int64_t wait = 0;
    bool stranger = !device;
    memset(a, 0, sizeof *a);
    snprintf(a->name, sizeof a->name, "%.71s", name);
    snprintf(a->device, sizeof a->device, "%.39s", device ? device : "");
    cr_throttle_address(address, a->address);
    for (kind k = 0; k < KINDS; k++) {
        make_key(k, a, key);
        const counter *c = kinds[k].of_stranger == stranger ? cr_map_get(&t->counters, key) : NULL;
        if (c)
            wait = CR_MAX(wait, wait_of(k, c, now_ms));
    }
    if (wait)
        return wait;
    if (t->counters.len + KINDS > ENTRIES_MAX)
        sweep(t, false, now_ms);
    if (t->counters.len + KINDS > ENTRIES_MAX)
        sweep(t, true, now_ms);
    for (kind k = 0; k < KINDS; k++) {
        make_key(k, a, key);
        counter *c = kinds[k].of_stranger == stranger ? counter_of(t, key, now_ms) : NULL;
        if (!c)
            continue;
        c->open++;
        c->last_ms = now_ms;
        a->held |= 1u << k;
    }
    if (stranger) {
        a->held |= 1u << KINDS;
        t->strangers++;
    }
    return 0;
}

void cr_throttle_end(cr_throttle *t, cr_attempt *a, cr_attempt_end how) {
    for (kind k = 0; k < KINDS; k++) {
        char key[KEY_BYTES];
        make_key(k, a, key);
        counter *c = a->held & 1u << k ? cr_map_get(&t->counters, key) : NULL;
        if (!c)
            continue;
        c->open--;
        if (how == CR_ATTEMPT_WRONG && k != KNOWN)
            c->failures++;
        if (how == CR_ATTEMPT_RIGHT && (k == PAIR || k == DEVICE))
            c->failures = 0;
        if (!c->open && !c->failures)
            free(cr_map_remove(&t->counters, key));
    }
    if (a->held & 1u << KINDS)
        t->strangers--;
    a->held = 0;
}
