/* device.c - reading, checking and making the cookie. */
#include "platform/identity/device.h"

#include <stdio.h>
#include <string.h>
#include "base/hex.h"

enum { CLOCK_SLACK_S = 86400 };

/* entry: at least ID and time, out: the first digits of the MAC. */
static void make_mac(const cr_secret *secret, const char *entry, const char *name, char out[CR_DEVICE_MAC_LEN + 1]) {
    char text[CR_DEVICE_ID_LEN + CR_DEVICE_WHEN_LEN + 260], mac[CR_TOKEN_LEN + 1];
    /* ID and time have one length, so they cannot run into the name. */
    snprintf(text, sizeof text, "%.*s%.255s", CR_DEVICE_ID_LEN + CR_DEVICE_WHEN_LEN, entry, name);
    cr_csrf_make(secret, "device", text, mac);
    memcpy(out, mac, CR_DEVICE_MAC_LEN);
    out[CR_DEVICE_MAC_LEN] = 0;
}

static bool is_of(const cr_secret *secret, const char *entry, const char *name) {
    char right[CR_DEVICE_MAC_LEN + 1];
    make_mac(secret, entry, name, right);
    return cr_equal_const(right, entry + CR_DEVICE_ID_LEN + CR_DEVICE_WHEN_LEN, CR_DEVICE_MAC_LEN);
}

static bool is_fresh(const char *entry, int64_t now_s) {
    unsigned char when[CR_DEVICE_WHEN_LEN / 2];
    if (!cr_unhex(entry + CR_DEVICE_ID_LEN, CR_DEVICE_WHEN_LEN, when))
        return false;
    int64_t at = (int64_t)when[0] << 24 | when[1] << 16 | when[2] << 8 | when[3];
    return at <= now_s + CLOCK_SLACK_S && now_s - at <= CR_DEVICE_LIFE_S;
}

/* The next entry of the cookie, NULL at its end and at anything that is none. */
static const char *next_entry(const char **cookie) {
    const char *entry = *cookie;
    if (!entry || strspn(entry, "0123456789abcdef") != CR_DEVICE_ENTRY_LEN)
        return NULL;
    *cookie = entry[CR_DEVICE_ENTRY_LEN] == '.' ? entry + CR_DEVICE_ENTRY_LEN + 1 : NULL;
    return entry;
}

bool cr_device_find(const cr_secret *secret, const char *cookie, const char *name, int64_t now_s, char ret_id[CR_DEVICE_ID_LEN + 1]) {
    const char *entry;
    for (int i = 0; i < CR_DEVICE_ENTRIES && (entry = next_entry(&cookie)); i++) {
        if (!is_of(secret, entry, name) || !is_fresh(entry, now_s))
            continue;
        memcpy(ret_id, entry, CR_DEVICE_ID_LEN);
        ret_id[CR_DEVICE_ID_LEN] = 0;
        return true;
    }
    return false;
}

void cr_device_renew(const cr_secret *secret, const char *cookie, const char *name, int64_t now_s, char out[CR_DEVICE_COOKIE_MAX + 1]) {
    char made[CR_DEVICE_ENTRY_LEN + 1];
    const char *entry;
    cr_random_hex(made, CR_DEVICE_ID_LEN / 2);
    snprintf(made + CR_DEVICE_ID_LEN, CR_DEVICE_WHEN_LEN + 1, "%08x", (unsigned)now_s);
    make_mac(secret, made, name, made + CR_DEVICE_ID_LEN + CR_DEVICE_WHEN_LEN);
    size_t n = CR_DEVICE_ENTRY_LEN;
    memcpy(out, made, n);
    for (int i = 1; i < CR_DEVICE_ENTRIES && (entry = next_entry(&cookie));) {
        if (is_of(secret, entry, name))
            continue;
        out[n++] = '.';
        memcpy(out + n, entry, CR_DEVICE_ENTRY_LEN);
        n += CR_DEVICE_ENTRY_LEN;
        i++;
    }
    out[n] = 0;
}
