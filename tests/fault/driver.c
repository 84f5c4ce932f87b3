/* driver.c - stands in the place of the hub: everything a test writes to the control socket goes to the helper as a message, and
 * every event comes back as a line. One client at a time; events without a client are kept for the next.
 *
 *   start ACCOUNT SERVER|- GENERATION USER TOKEN MEMORY CPU PIDS | stop ACCOUNT SERVER|- GENERATION GRACE | list
 *   remove ACCOUNT PURGE | raw HEX (bytes as they are)
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/hex.h"
#include "platform/runner/protocol.h"

int cr_hub_main(const cr_config *config, const cr_provider_set *providers, const void *services, const void *profiles, const void *feature, int runner_fd, int api_fd, int control_fd);
/* In the place of the gateway's, so that main.c does not bring the hub along. */
extern const char cr_gateway_feature;
const char cr_gateway_feature = 0;

static cr_buf pending;
static cr_runner *runner;

static void on_event(void *user, const cr_runner_event *e) {
    static const char *const kinds[] = {"started", "socket", "exited", "snapshot", "snapshot_end", "memory", "proxy", "removed", "not_removed", "tls", "lost"};
    if (e->kind == CR_RUNNER_LOST)
        exit(0);
    cr_buf_addf(&pending, "%s\t%s\t%s\t%llu\t%lld\t%d\t%d\t%d\t%lld\t%llu\t%s\n", kinds[e->kind], e->id.account, e->id.server,
                (unsigned long long)e->id.generation, (long long)e->pid, e->preimported, e->socket_ready, (int)e->reason,
                (long long)e->detail, (unsigned long long)e->memory_peak_bytes, e->text);
}

static void command(char *line, int runner_fd) {
    cr_err err = CR_ERR_INIT;
    char account[64], server[64], user[300], token[128], hex[8192];
    unsigned long long generation, memory;
    unsigned cpu, pids, grace, purge;
    cr_status status = CR_INVALID;
    CR_FAIL(&err, CR_INVALID, "not understood");
    if (sscanf(line, "start %63s %63s %llu %299s %127s %llu %u %u", account, server, &generation, user, token, &memory, &cpu, &pids) == 8) {
        cr_runner_start s = {.id.generation = generation, .limits = {memory, cpu, pids}};
        snprintf(s.id.account, sizeof s.id.account, "%s", account);
        snprintf(s.id.server, sizeof s.id.server, "%s", strcmp(server, "-") == 0 ? "" : server);
        snprintf(s.user, sizeof s.user, "%s", user);
        snprintf(s.token, sizeof s.token, "%s", token);
        status = runner->ops->start(runner, &s, &err);
    } else if (sscanf(line, "stop %63s %63s %llu %u", account, server, &generation, &grace) == 4) {
        cr_server_id id = {.generation = generation};
        snprintf(id.account, sizeof id.account, "%s", account);
        snprintf(id.server, sizeof id.server, "%s", strcmp(server, "-") == 0 ? "" : server);
        status = runner->ops->stop(runner, &id, grace, &err);
    } else if (strcmp(line, "list") == 0) {
        status = runner->ops->list(runner, &err);
    } else if (sscanf(line, "remove %63s %u", account, &purge) == 2) {
        status = runner->ops->remove_account(runner, account, purge, &err);
    } else if (sscanf(line, "raw %8191s", hex) == 1) {
        unsigned char raw[4096];
        status = cr_unhex(hex, strlen(hex), raw) && send(runner_fd, raw, strlen(hex) / 2, 0) >= 0 ? CR_OK : CR_INVALID;
    }
    if (status != CR_OK)
        cr_buf_addf(&pending, "error\t%s\n", err.message);
}

/* What jupyterhub-singleuser asks before it opens its socket: is there a hub, and of which version. */
static void answer_api(int api_fd) {
    static const char body[] = "{\"version\": \"6.1.1\", \"name\": \"nobody\", \"kind\": \"user\", \"scopes\": []}";
    char request[16384], answer[512];
    int fd = accept(api_fd, NULL, NULL);
    if (fd < 0)
        return;
    if (read(fd, request, sizeof request) > 0) {
        int n = snprintf(answer, sizeof answer,
                         "HTTP/1.1 200 OK\r\nX-JupyterHub-Version: 6.1.1\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                         "Connection: close\r\n\r\n%s", sizeof body - 1, body);
        (void)!write(fd, answer, (size_t)n);
    }
    close(fd);
}

int cr_hub_main(const cr_config *config, const cr_provider_set *providers, const void *services, const void *profiles, const void *feature, int runner_fd, int api_fd, int control_fd) {
    cr_err err;
    char text[16384];
    size_t len = 0;
    int client = -1;
    (void)config;
    cr_buf_init(&pending, 1 << 20);
    if (cr_runner_local_new(runner_fd, on_event, NULL, &runner, &err) != CR_OK)
        return 1;
    for (;;) {
        struct pollfd p[] = {{runner_fd, POLLIN, 0}, {control_fd, POLLIN, 0}, {client, POLLIN, 0}, {api_fd, POLLIN, 0}};
        poll(p, 4, -1);
        if (p[3].revents)
            answer_api(api_fd);
        if (p[0].revents && runner->ops->dispatch(runner, &err) != CR_OK)
            return 1;
        if (p[1].revents) {
            int fresh = accept(control_fd, NULL, NULL);
            if (fresh >= 0) {
                if (client >= 0)
                    close(client);
                client = fresh;
                len = 0;
            }
        } else if (client >= 0 && p[2].revents) {
            ssize_t n = read(client, text + len, sizeof text - len - 1);
            if (n <= 0) {
                close(client);
                client = -1;
                continue;
            }
            len += (size_t)n;
            text[len] = 0;
            for (char *end; (end = strchr(text, '\n'));) {
                *end = 0;
                command(text, runner_fd);
                len -= (size_t)(end + 1 - text);
                memmove(text, end + 1, len + 1);
            }
        }
        if (client >= 0 && pending.len) {
            if (write(client, pending.data, pending.len) > 0)
                cr_buf_clear(&pending);
        }
    }
}
