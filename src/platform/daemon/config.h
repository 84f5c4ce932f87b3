/* config.h - the one record of settings that the helper validates at start and both processes use.
 *
 * Read from command line and STATE/config (key = value lines; the table in config.c is the source of parser, --help and docs).
 * The helper (root) reads it; the hub receives it as a copy over the socket pair, never as a file it could change.
 */
#ifndef CR_PLATFORM_DAEMON_CONFIG_H
#define CR_PLATFORM_DAEMON_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"

typedef struct cr_config {
    char bind[64];                /* address of both public ports; default 127.0.0.1 */
    int64_t port;                 /* hub; user servers at port + 1. default 8000 */
    char state_dir[512];          /* /var/lib/craton, or ~/.local/share/craton/state when not root */
    char run_dir[256];            /* /run/craton, or XDG_RUNTIME_DIR/craton: sockets; short: sun_path has 108 bytes */
    char prefix[512];             /* where the environment lies: PREFIX/env/bin/python; /opt/craton */
    char base_url[128];           /* "" or /NAME...: every public path begins with it */
    char domain[256];             /* "" on loopback: users at ACCOUNT.localhost; else hub at DOMAIN, users at ACCOUNT.DOMAIN */
    char tls_cert[512], tls_key[512];   /* with acme: STATE/tls/cert.pem, key.pem */
    char acme[256];               /* directory of the ACME server that gives certificates; "" : none. See acme.h */
    char acme_contact[128], acme_hook[512];
    int64_t acme_port;            /* of HTTP-01 */
    char smtp[256];               /* smtp://HOST[:PORT] or smtps://HOST[:PORT]; "" : no mail */
    char smtp_from[128], smtp_user[128], smtp_ca[512];
    char smtp_secret[256];        /* the user's password: STATE/smtp.password, see smtp.h. No setting of its own */
    char trusted_proxies[512];    /* CIDRs of --behind-proxy, comma-separated; the public form is then https on port 443 */
    char language[16];            /* of pages and mails when neither person nor browser wants one that is there: de */
    char site_name[64], contact[200];       /* what pages call the hub; a line at their bottom */
    char legal_url[300], privacy_url[300];  /* https:// addresses of pages about the operator, and about people's data; "" : none */
    bool as_root;                 /* started as root: own uid per user */
    uint64_t memory_bytes;        /* per user server, default 2 GiB, at most the machine's */
    uint64_t guarantee_bytes, room_bytes;   /* of that counted when a server starts; of all servers together */
    int64_t breaker, breaker_pause_s;   /* failed starts in a row, after which there is a pause; 0: none */
    int64_t starts;               /* at the same time; more wait */
    int64_t cpu_milli, pids;      /* per user server */
    int64_t uid_first, uid_count; /* 20001, 20000 */
    char account_prefix[16];      /* of Linux user names, so that they collide with nobody's: "cr-" */
    bool preimport;               /* start from the pre-imported parent when possible */
    char log_file[512];           /* "" : stderr */
    bool gateway;                 /* Dask clusters on demand */
    int64_t gateway_port;         /* of schedulers, for clients elsewhere; 0: none */
    int64_t gateway_idle_s;       /* a cluster without work ends after so long; 0: never */
    int64_t gateway_keep_s;       /* for so long its person keeps it; 0: cannot */
    int64_t gateway_start_s, gateway_worker_s, gateway_heartbeat_s;     /* deadlines, see gateway/cluster.h */
    int64_t gateway_clusters, gateway_workers, gateway_cores;   /* of one person at a time; cores and memory: of all workers and schedulers */
    uint64_t gateway_memory_bytes;
    int64_t gateway_cluster_workers, gateway_cluster_cores;     /* of one cluster; 0: no limit of its own */
    uint64_t gateway_cluster_memory_bytes;
    char gateway_groups[1024];    /* see gateway/group_limits.h */
    int64_t idle_s, age_s;        /* a server ends when it was not used for so long, and at this age; 0: never */
    int64_t idle_warning_s, idle_keep_s;    /* its person is told before, and can keep it for so long; 0: cannot */
    int64_t named_servers;        /* of one person, beside the default one; 0: none */
    int64_t audit_days, audit_rows;         /* bounds of the audit log */
    char group_folders[2048];     /* see identity/folders.h */
    char shared_dir[512];         /* data that everybody may read; "" : none */
    uint64_t disk_bytes;          /* of each home; 0: no limit */
    char disk_groups[2048];       /* see identity/disk_limits.h */
    int64_t disk_period_s;        /* homes of who works are measured so often; 0: never */
    uint64_t disk_free_bytes;     /* with less left on the disk of the state nothing starts */
    uint64_t reserve_bytes;       /* of that disk held for the hub's database; 0: none */
} cr_config;

enum { CR_CONFIG_RUN_DIR_MAX = 40 };   /* RUN/r/UID/kernel-<uuid>-ipc-N must stay below the 107 bytes of a socket address */

/* Fills *config from defaults, the file STATE/config (if it exists) and argv; argv wins. The order of checks is: syntax of
 * each value, then the rules between values (cr_config_check). actions: further options that are not settings (such as --status), may be
 * NULL. Operands are refused. */
struct cr_option;
cr_status cr_config_load(const struct cr_option *actions, int argc, char **argv, cr_config *config, cr_err *err) CR_MUST_USE;
/* The rules between values: a bind address that is not loopback needs TLS or a trusted proxy, and a domain; and so on. */
cr_status cr_config_check(const cr_config *config, cr_err *err) CR_MUST_USE;
/* text: what STATE/config holds, n bytes and a NUL; is changed. path: for messages. */
cr_status cr_config_read(cr_config *config, char *text, size_t n, const char *path, cr_err *err) CR_MUST_USE;
bool cr_config_is_loopback(const cr_config *config);
/* Sets one key as the file would; the key is the option's long name. */
cr_status cr_config_set(cr_config *config, const char *key, const char *value, cr_err *err) CR_MUST_USE;
/* The lines of --help that come from the table. */
struct cr_buf;
void cr_config_help(struct cr_buf *out);

#endif
