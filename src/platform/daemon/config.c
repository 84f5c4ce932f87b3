/* config.c - the table of settings, and the three places they come from: defaults, STATE/config, the command line. */
#include "platform/daemon/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/file.h"
#include "base/option.h"
#include "base/setting.h"
#include "base/text.h"
#include "platform/daemon/config_value.h"

#define AT(field) offsetof(cr_config, field), sizeof(((cr_config *)NULL)->field)
#define V(kind) CR_VALUE_##kind

/* Adding a setting is adding a row. */
static const cr_config_row rows[] = {
    {"port", "N", "port of the hub; user servers are at N + 1, the API for them at N + 2 (8000)", V(INT), AT(port), 1, 65533},
    {"bind", "ADDRESS", "address of the public ports (127.0.0.1)", V(ADDRESS), AT(bind), 0, 0},
    {"domain", "NAME", "public name of the hub; users are at ACCOUNT.NAME", V(HOST), AT(domain), 0, 0},
    {"base-url", "PATH", "what every public path begins with, for example /craton/ (/)", V(BASE), AT(base_url), 0, 0},
    {"state", "DIR", "what lasts: database, homes (/var/lib/craton)", V(PATH), AT(state_dir), 0, 0},
    {"run", "DIR", "sockets (/run/craton)", V(PATH), AT(run_dir), 0, 0},
    {"prefix", "DIR", "the installed software (/opt/craton)", V(PATH), AT(prefix), 0, 0},
    {"tls", "CERT", "certificate chain of the public ports, PEM", V(PATH), AT(tls_cert), 0, 0},
    {"tls-key", "KEY", "its private key, PEM", V(PATH), AT(tls_key), 0, 0},
    {"acme", "URL", "certificates from this ACME server: its directory, or letsencrypt", V(ACME), AT(acme), 0, 0},
    {"acme-contact", "EMAIL", "whom that server may write to", V(MAIL), AT(acme_contact), 0, 0},
    {"acme-hook", "PROGRAM", "changes the zone of DNS, as uacme calls it: the certificate is then for *.DOMAIN", V(PATH), AT(acme_hook), 0, 0},
    {"acme-port", "N", "port at which that server's questions arrive, when there is no such program (80)", V(INT), AT(acme_port), 1, 65535},
    {"smtp", "URL", "server that sends mail: smtps://HOST:465, or smtp://HOST:587, which must have STARTTLS", V(SMTP), AT(smtp), 0, 0},
    {"smtp-from", "EMAIL", "sender of that mail", V(MAIL), AT(smtp_from), 0, 0},
    {"smtp-user", "NAME", "name to sign in with there; the password is in STATE/smtp.password, mode 600", V(WORDS), AT(smtp_user), 0, 0},
    {"smtp-ca", "FILE", "authorities of its certificate, PEM (the system's)", V(PATH), AT(smtp_ca), 0, 0},
    {"language", "CODE", "language of pages and mails for whom no other is known, for example de (en)", V(LANGUAGE), AT(language), 0, 0},
    {"site-name", "TEXT", "what the pages call this hub (Craton)", V(LINE), AT(site_name), 0, 0},
    {"contact", "TEXT", "a line at the bottom of every page: whom to ask", V(LINE), AT(contact), 0, 0},
    {"legal-url", "URL", "page about who runs this hub, linked there", V(LINK), AT(legal_url), 0, 0},
    {"privacy-url", "URL", "page about what is done with people's data, linked there", V(LINK), AT(privacy_url), 0, 0},
    {"behind-proxy", "CIDR", "networks of a proxy in front that does TLS, comma-separated", V(CIDRS), AT(trusted_proxies), 0, 0},
    {"memory", "SIZE", "memory of each user server (2G)", V(BYTES), AT(memory_bytes), 64 << 20, INT64_MAX},
    {"guarantee", "SIZE", "of it counted when servers start (an eighth of memory, 64M at least)", V(BYTES), AT(guarantee_bytes), 1 << 20,
     INT64_MAX},
    {"room", "SIZE", "all servers' guarantees together; more starts wait (the machine's memory without a tenth)", V(BYTES),
     AT(room_bytes), 64 << 20, INT64_MAX},
    {"starts", "N", "servers that start at the same time; more starts wait (4 for each CPU, at least 8)", V(INT), AT(starts), 1, 100000},
    {"breaker", "N", "starts that fail in a row before there is a pause; 0: none (5)", V(INT), AT(breaker), 0, 16},
    {"breaker-pause", "S", "its length in seconds (300)", V(INT), AT(breaker_pause_s), 1, 86400},
    {"cpu", "N", "CPUs of each user server, for example 1.5; 0: no limit (0)", V(CPUS), AT(cpu_milli), 0, 4096000},
    {"pids", "N", "processes and threads of each user server (1024)", V(INT), AT(pids), 64, 1 << 22},
    {"uid-first", "N", "first of the user ids given to accounts (20001)", V(INT), AT(uid_first), 1000, 2000000000},
    {"uid-count", "N", "how many user ids there are (20000)", V(INT), AT(uid_count), 1, 1000000},
    {"account-prefix", "TEXT", "begin of the Linux user names of accounts (cr-)", V(PREFIX), AT(account_prefix), 0, 0},
    {"preimport", "yes|no", "start servers, kernels and Dask clusters from parents that have much imported (yes)", V(YES_NO), AT(preimport), 0, 0},
    {"gateway", "yes|no", "Dask clusters on demand (yes)", V(YES_NO), AT(gateway), 0, 0},
    {"gateway-port", "N", "port at which clients on other machines reach schedulers, by TLS; 0: none (0)", V(INT), AT(gateway_port), 0, 65535},
    {"gateway-idle", "S", "seconds after which a cluster without work ends; 0: never (1800)", V(INT), AT(gateway_idle_s), 0, 10000000},
    {"gateway-keep", "S", "seconds for which its person can keep such a cluster with one click; 0: cannot (14400)", V(INT), AT(gateway_keep_s), 0, 10000000},
    {"gateway-start-timeout", "S", "seconds from the start of a scheduler to its first heartbeat (60)", V(INT), AT(gateway_start_s), 5, 3600},
    {"gateway-worker-timeout", "S", "seconds from the start of a worker until its scheduler knows it (60)", V(INT), AT(gateway_worker_s), 5, 3600},
    {"gateway-heartbeat-timeout", "S", "seconds of silence after which a scheduler is given up; it sends two heartbeats in them (30)", V(INT),
     AT(gateway_heartbeat_s), 2, 3600},
    {"gateway-clusters", "N", "clusters of one person at a time (4)", V(INT), AT(gateway_clusters), 1, 1000},
    {"gateway-workers", "N", "workers of one person at a time (16)", V(INT), AT(gateway_workers), 1, 10000},
    {"gateway-cores", "N", "cores of one person's workers, together (16)", V(INT), AT(gateway_cores), 1, 100000},
    {"gateway-memory", "SIZE", "memory of one person's clusters, together (16G)", V(BYTES), AT(gateway_memory_bytes), 64 << 20, INT64_MAX},
    {"gateway-cluster-workers", "N", "workers of one cluster; 0: as many as its person may have (0)", V(INT), AT(gateway_cluster_workers), 0, 10000},
    {"gateway-cluster-cores", "N", "cores of one cluster's workers, together; 0: as many as its person may have (0)", V(INT), AT(gateway_cluster_cores), 0, 100000},
    {"gateway-cluster-memory", "SIZE", "memory of one cluster, 1 GiB of it for the scheduler; 0: as much as its person may have (0)", V(BYTES),
     AT(gateway_cluster_memory_bytes), 0, INT64_MAX},
    {"gateway-groups", "LIST", "what people of groups may have together: NAME clusters=N workers=N cores=N memory=SIZE; NAME ...", V(GROUPS),
     AT(gateway_groups), 0, 0},
    {"idle", "S", "seconds without use after which a user server is stopped; 0: never (3600)", V(INT), AT(idle_s), 0, 10000000},
    {"idle-warning", "S", "seconds before that in which its person is told (600)", V(INT), AT(idle_warning_s), 0, 10000000},
    {"idle-keep", "S", "seconds for which its person can keep it with one click; 0: cannot (14400)", V(INT), AT(idle_keep_s), 0, 10000000},
    {"age", "S", "seconds after which a user server is stopped, used or not; 0: never (0)", V(INT), AT(age_s), 0, 100000000},
    {"named-servers", "N", "servers of one person beside the ordinary one; roles can give more (0)", V(INT), AT(named_servers), 0, 100},
    {"audit-days", "N", "days for which the audit log is kept (400)", V(INT), AT(audit_days), 1, 36500},
    {"audit-rows", "N", "its rows at most, of deeds and of refusals each (200000)", V(INT), AT(audit_rows), 100, 10000000},
    {"shared", "DIR", "data that everybody may read, in homes as folders/shared", V(PATH), AT(shared_dir), 0, 0},
    {"group-folders", "LIST", "folders of groups, in homes as folders/FOLDER: GROUP FOLDER; GROUP FOLDER ...", V(FOLDERS), AT(group_folders), 0, 0},
    {"disk", "SIZE", "disk space of each home; who has more cannot start a server; 0: no limit (0)", V(BYTES), AT(disk_bytes), 0, INT64_MAX},
    {"disk-groups", "LIST", "the same for people of groups: NAME SIZE; NAME SIZE ...; of several the largest counts", V(DISKS), AT(disk_groups), 0, 0},
    {"disk-period", "S", "seconds after which the home of who works is measured again; 0: never (300)", V(INT), AT(disk_period_s), 0, 10000000},
    {"disk-free", "SIZE", "with less left on the disk of the state nothing starts (512M)", V(BYTES), AT(disk_free_bytes), 0, INT64_MAX},
    {"reserve", "SIZE", "of that disk held for the hub's database, so that it can write when the disk is full; 0: none (32M)", V(BYTES),
     AT(reserve_bytes), 0, INT64_MAX},
    {"log", "FILE", "log file (standard error)", V(PATH), AT(log_file), 0, 0},
};
enum { ROWS = CR_ARRAY_LEN(rows), FILE_MAX = 64 << 10 };

cr_status cr_config_set(cr_config *config, const char *key, const char *value, cr_err *err) {
    for (int i = 0; i < ROWS; i++)
        if (strcmp(rows[i].key, key) == 0)
            return cr_config_row_set(config, &rows[i], value, err);
    const char *names[ROWS];
    for (int i = 0; i < ROWS; i++)
        names[i] = rows[i].key;
    const char *near = cr_text_nearest(key, names, ROWS);
    CR_FAIL(err, CR_INVALID, "there is no setting '%s'%s%s%s", key, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    cr_err_hint(err, "see cratond --help");
    return CR_INVALID;
}

static uint64_t machine_memory(void) {
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
}

static cr_status set_defaults(cr_config *c, cr_err *err) {
    memset(c, 0, sizeof *c);   /* also the padding: the record is sent as bytes */
    strcpy(c->bind, "127.0.0.1");
    c->port = 8000;
    c->acme_port = 80;
    c->as_root = geteuid() == 0;
    c->memory_bytes = (uint64_t)2 << 30;
    c->pids = 1024;
    c->uid_first = 20001;
    c->uid_count = 20000;
    c->preimport = true;
    c->gateway = true;
    c->gateway_idle_s = 1800;
    c->gateway_keep_s = 14400;
    c->gateway_start_s = c->gateway_worker_s = 60;
    c->gateway_heartbeat_s = 30;
    c->gateway_clusters = 4;
    c->gateway_workers = c->gateway_cores = 16;
    c->gateway_memory_bytes = (uint64_t)16 << 30;
    c->idle_s = 3600;
    c->breaker = 5;
    c->breaker_pause_s = 300;
    c->idle_warning_s = 600;
    c->idle_keep_s = 14400;
    c->audit_days = 400;
    c->audit_rows = 200000;
    c->disk_period_s = 300;
    c->disk_free_bytes = (uint64_t)512 << 20;
    c->reserve_bytes = (uint64_t)32 << 20;
    strcpy(c->account_prefix, "cr-");
    strcpy(c->site_name, "Craton");
    if (c->as_root) {
        strcpy(c->state_dir, "/var/lib/craton");
        strcpy(c->run_dir, "/run/craton");
        strcpy(c->prefix, "/opt/craton");
        return CR_OK;
    }
    const char *home = getenv("HOME"), *xdg = getenv("XDG_RUNTIME_DIR");
    char path[600];
    if (!home || home[0] != '/')
        return CR_FAIL(err, CR_INVALID, "HOME is not set to an absolute path");
    snprintf(path, sizeof path, "%s/.local/share/craton", home);
    CR_TRY(cr_config_set(c, "prefix", path, err));
    strncat(path, "/state", sizeof path - strlen(path) - 1);
    CR_TRY(cr_config_set(c, "state", path, err));
    if (xdg && xdg[0] == '/' && strlen(xdg) + sizeof "/craton" <= CR_CONFIG_RUN_DIR_MAX)
        snprintf(path, sizeof path, "%s/craton", xdg);
    else
        snprintf(path, sizeof path, "/tmp/craton-%u", (unsigned)geteuid());
    return cr_config_set(c, "run", path, err);
}

static cr_status set_line(void *user, char *key, char *value, cr_err *err) { return cr_config_set(user, key, value, err); }

cr_status cr_config_read(cr_config *c, char *text, size_t n, const char *path, cr_err *err) {
    if (strlen(text) != n)
        return CR_FAIL(err, CR_FORMAT, "%s contains a NUL byte", path);
    return cr_settings_read(text, path, set_line, c, err);
}

static cr_status read_file(cr_config *c, cr_err *err) {
    char path[600];
    snprintf(path, sizeof path, "%s/config", c->state_dir);
    struct stat st;
    if (stat(path, &st) != 0)
        return errno == ENOENT || errno == ENOTDIR ? CR_OK : CR_FAIL_ERRNO(err, "cannot use %s", path);
    if (!S_ISREG(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & 022)) {
        CR_FAIL(err, CR_DENIED, "%s is not a file that only its owner can write", path);
        cr_err_hint(err, "chown it to the user that runs cratond and chmod go-w");
        return CR_DENIED;
    }
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, FILE_MAX);
    CR_TRY(cr_file_read(path, &text, err));
    return text.len ? cr_config_read(c, text.data, text.len, path, err) : CR_OK;
}

/* A record that came as bytes: every text ends inside its field, and what is yes or no is one of them. */
cr_status cr_config_check_shape(const cr_config *c, cr_err *err) {
    const unsigned char *bytes = (const unsigned char *)c;
    bool right = bytes[offsetof(cr_config, as_root)] <= 1;
    for (int i = 0; i < ROWS; i++) {
        const unsigned char *field = bytes + rows[i].offset;
        if (rows[i].kind == CR_VALUE_YES_NO)
            right = right && *field <= 1;
        else if (cr_value_is_text(rows[i].kind))
            right = right && memchr(field, 0, rows[i].size);
    }
    right = right && memchr(c->smtp_secret, 0, sizeof c->smtp_secret);
    return right ? CR_OK : CR_FAIL(err, CR_FORMAT, "the settings are not a record of this version");
}

/* The limit of memory of our own control group and of those that it lies in; 0: none. Version 2, or 1 with its mount at the usual place. */
static uint64_t group_memory(void) {
    cr_auto_buf cr_buf own;
    cr_buf_init(&own, FILE_MAX);
    uint64_t least = 0;
    if (cr_file_read("/proc/self/cgroup", &own, NULL) != CR_OK || !own.len)
        return 0;
    for (char *rest = own.data, *line; (line = strsep(&rest, "\n"));) {
        bool second = cr_starts_with(line, "0::/");
        char *path = second ? line + 3 : strstr(line, ":memory:/");
        if (!path)
            continue;
        path += second ? 0 : 8;
        for (char *slash;; *slash = 0) {
            char file[1200];
            cr_auto_buf cr_buf text;
            cr_buf_init(&text, 64);
            snprintf(file, sizeof file, second ? "/sys/fs/cgroup%s/memory.max" : "/sys/fs/cgroup/memory%s/memory.limit_in_bytes", path);
            uint64_t limit = cr_file_read(file, &text, NULL) == CR_OK ? strtoull(cr_buf_str(&text), NULL, 10) : 0;    /* "max" is 0 */
            if (limit && (!least || limit < least))
                least = limit;
            if (!(slash = strrchr(path, '/')))
                break;
        }
    }
    return least;
}

/* A tenth stays with the system and the platform, half a gigabyte at least. */
static void make_room(cr_config *c) {
    uint64_t have = machine_memory(), group = group_memory();
    if (group && (!have || group < have))
        have = group;
    uint64_t reserve = CR_MAX(have / 10, (uint64_t)512 << 20);
    if (!c->room_bytes && have)
        c->room_bytes = have > 2 * reserve ? have - reserve : have / 2;
    if (!c->guarantee_bytes)
        c->guarantee_bytes = CR_MAX(c->memory_bytes / 8, (uint64_t)64 << 20);
    c->guarantee_bytes = CR_MIN(c->guarantee_bytes, c->memory_bytes);
    if (!c->starts)
        c->starts = CR_MAX(4 * sysconf(_SC_NPROCESSORS_ONLN), 8L);
}

/* Where the pair lies that ACME gives (acme.h). */
static cr_status keep_pair(cr_config *c, cr_err *err) {
    if (strlen(c->state_dir) + sizeof "/tls/cert.pem" > sizeof c->tls_cert)
        return CR_FAIL(err, CR_LIMIT, "state: too long");
    snprintf(c->tls_cert, sizeof c->tls_cert, "%.480s/tls/cert.pem", c->state_dir);
    snprintf(c->tls_key, sizeof c->tls_key, "%.480s/tls/key.pem", c->state_dir);
    return CR_OK;
}

static void fit_to_machine(cr_config *c) {
    uint64_t have = machine_memory();
    if (have && c->memory_bytes > have)
        c->memory_bytes = have;
    if (have && c->gateway_memory_bytes > have)
        c->gateway_memory_bytes = have;
    make_room(c);
}

cr_status cr_config_load(const cr_option *actions, int argc, char **argv, cr_config *config, cr_err *err) {
    enum { MOST = 32 };
    const char *given[ROWS] = {NULL};
    cr_option table[ROWS + MOST + 1] = {{0}};
    int n = 0;
    for (; n < ROWS; n++)
        table[n] = (cr_option){0, rows[n].key, rows[n].value_name, rows[n].help, CR_OPTION_TEXT, &given[n]};
    for (int i = 0; actions && actions[i].name; i++) {
        if (i == MOST)
            return CR_FAIL(err, CR_INTERNAL, "more than %d actions", MOST);
        table[n++] = actions[i];
    }
    int first;
    CR_TRY(cr_option_parse(table, argc, argv, &first, err));
    if (first < argc)
        return CR_FAIL(err, CR_INVALID, "'%s' is not understood; every setting is an option", argv[first]);

    cr_config c;
    CR_TRY(set_defaults(&c, err));
    for (int pass = 0; pass < 2; pass++) {   /* the first pass finds the state directory, whose file the second overrides */
        for (int i = 0; i < ROWS; i++)
            if (given[i])
                CR_TRY(cr_config_row_set(&c, &rows[i], given[i], err));
        if (pass == 0) {
            char state[sizeof c.state_dir];
            memcpy(state, c.state_dir, sizeof state);
            CR_TRY(read_file(&c, err));
            if (strcmp(state, c.state_dir) != 0)
                return CR_FAIL(err, CR_INVALID, "%s/config cannot move the state directory it lies in", state);
        }
    }
    fit_to_machine(&c);
    if (c.acme[0] && (c.tls_cert[0] || c.tls_key[0]))
        return CR_FAIL(err, CR_INVALID, "--acme and --tls exclude each other: certificates come from a server, or from files");
    if (c.acme[0])
        CR_TRY(keep_pair(&c, err));
    CR_TRY(cr_config_check(&c, err));
    *config = c;
    return CR_OK;
}

void cr_config_help(cr_buf *out) {
    for (int i = 0; i < ROWS; i++) {
        char left[64];
        snprintf(left, sizeof left, "--%s %s", rows[i].key, rows[i].value_name);
        cr_buf_addf(out, "  %-24s %s\n", left, rows[i].help);
    }
}
