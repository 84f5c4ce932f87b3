/* cluster_software.c - the option `software`. */
#include "platform/gateway/cluster_software.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/log.h"
#include "platform/gateway/cluster.h"
#include "platform/gateway/installed.h"
#include "platform/hub/profile_choice.h"

static const char field[] = "software";

/* Names of what is open: Craton's own first. */
static cr_status names(cr_hub *hub, int64_t user_id, const char *ret_names[CR_SOFTWARE_MAX + 1], int *ret_n, cr_err *err) {
    bool open[CR_SOFTWARE_MAX];
    int n = 0;
    CR_TRY(cr_choice_software(hub, user_id, open, err));
    ret_names[n++] = CR_SOFTWARE_OWN;
    for (int i = 0; i < hub->profiles->n_software; i++)
        if (open[i])
            ret_names[n++] = hub->profiles->software[i].slug;
    *ret_n = n;
    return CR_OK;
}

cr_status cr_cluster_software_list(cr_hub *hub, int64_t user_id, json_t *options, cr_err *err) {
    const char *all[CR_SOFTWARE_MAX + 1];
    int n;
    CR_TRY(names(hub, user_id, all, &n, err));
    if (n == 1)
        return CR_OK;
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list, json_string(all[i]));
    json_t *option = json_pack("{s:s, s:s, s:s, s:{s:s, s:o}}", "field", field, "label", "Software", "default", CR_SOFTWARE_OWN, "spec", "type", "select",
                               "options", list);
    return json_array_append_new(options, option) == 0 ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for the options of clusters");
}

cr_status cr_cluster_software_take(cr_hub *hub, int64_t user_id, json_t *given, const char *standard, char ret_software[CR_PROFILE_SLUG_MAX + 1],
                                   bool *ret_is_option, cr_err *err) {
    const char *all[CR_SOFTWARE_MAX + 1], *wanted = standard[0] ? standard : CR_SOFTWARE_OWN;
    const json_t *said = json_object_get(given, field);
    char list[200] = "";
    int n;
    CR_TRY(names(hub, user_id, all, &n, err));
    *ret_is_option = n > 1;
    if (n == 1 && !said) {
        snprintf(ret_software, CR_PROFILE_SLUG_MAX + 1, "%s", standard);
        return CR_OK;
    }
    if (n == 1 && hub->profiles->n_software == 0)
        return CR_OK;                 /* is refused as what is not there */
    if (said && !json_is_string(said))
        return CR_FAIL(err, CR_INVALID, "software must be a name");
    wanted = said ? json_string_value(said) : wanted;
    for (int i = 0; i < n; i++) {
        if (strcmp(all[i], wanted) == 0) {
            snprintf(ret_software, CR_PROFILE_SLUG_MAX + 1, "%s", i ? all[i] : "");
            json_object_del(given, field);
            return CR_OK;
        }
        if (strlen(list) < 150)
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", all[i]);
    }
    return CR_FAIL(err, CR_INVALID, "software must be one of %s, and not '%.40s'", list, wanted);
}

static int refuse(char why[CR_SOFTWARE_WHY_MAX], int status, const char *format, ...) CR_PRINTF(3, 4);
static int refuse(char why[CR_SOFTWARE_WHY_MAX], int status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(why, CR_SOFTWARE_WHY_MAX, format, args);
    va_end(args);
    return status;
}

static int check_kernel(const cr_versions *kernel, const cr_versions *ours, char why[CR_SOFTWARE_WHY_MAX]) {
    if (!ours->python[0] || (strcmp(kernel->python, ours->python) == 0 && strcmp(kernel->dask, ours->dask) == 0 &&
                             strcmp(kernel->distributed, ours->distributed) == 0))
        return 0;
    return refuse(why, 409, "This kernel has Python %s, dask %s and distributed %s, and clusters run Python %s, dask %s and distributed %s: what the one sends the other "
                  "may not read. Use a kernel of the environment that is installed here, or install the same versions in the kernel's.", kernel->python, kernel->dask,
                  kernel->distributed, ours->python, ours->dask, ours->distributed);
}

int cr_cluster_software_check(const cr_request *req, const cr_software_asked *asked, const cr_versions *ours, bool late, char why[CR_SOFTWARE_WHY_MAX]) {
    const char *software = asked->software, *of = software[0] ? " of " : "";
    const cr_versions *theirs = &asked->theirs;
    char python[CR_VERSION_MAX];
    cr_versions kernel;
    if (software[0] && late && !ours->python[0])
        return refuse(why, 503, "The disk on which the software %s lies does not answer, so no Dask cluster can be started from it now. Tell who looks after it, try again "
                      "later, or ask for software=\"" CR_SOFTWARE_OWN "\" from a kernel of that.", software);
    if (software[0] && (!ours->distributed[0] || !ours->gateway[0]))
        return refuse(why, 409, "The software %s has no %s, without which no Dask cluster runs from it: tell who looks after it, or ask for software=\"" CR_SOFTWARE_OWN
                      "\" from a kernel of that.", software, !ours->python[0] ? "Python" : !ours->distributed[0] ? "distributed" : "dask-gateway");
    if (ours->python[0] && cr_version_of_agent(cr_request_header(req, "User-Agent"), python) && strcmp(python, ours->python) != 0)
        return refuse(why, 409, "This program runs in Python %s, and clusters%s%s run Python %s with distributed %s: what the one sends the other cannot read. Use a notebook "
                      "of the environment that is installed here; restart your server when it is older than that.", python, of, software, ours->python,
                      ours->distributed);
    if (cr_versions_of_address(cr_request_header(req, CR_SOFTWARE_HEADER), &kernel))       /* whatever its server has */
        return check_kernel(&kernel, ours, why);
    /* A kernel of another environment than its server's says which by what it asks for; the versions of its server say nothing of it. */
    if (!asked->known || (late && !ours->python[0]) || (software[0] && strcmp(software, asked->their_software) != 0) ||
        (strcmp(theirs->dask, ours->dask) == 0 && strcmp(theirs->distributed, ours->distributed) == 0))
        return 0;
    return refuse(why, 409, "Your server was started with dask %s and distributed %s, and clusters%s%s run dask %s and distributed %s: what the one sends the other may not "
                  "read. %s", theirs->dask, theirs->distributed, of, software, ours->dask, ours->distributed, strcmp(software, asked->their_software) == 0
                  ? "Save your work and restart your server; it then has what clusters have." : "Ask for a cluster of the software that your server runs from.");
}

typedef struct started {
    cr_hub *hub;
    uint64_t generation;
    char software[CR_PROFILE_SLUG_MAX + 1];
} started;

/* Of what nothing is known nothing is noted: that server is not compared. */
static void note(void *user, const cr_versions *v, bool late) {
    started *s = user;
    if (!late || v->python[0])
        cr_versions_note(s->hub->db, v, s->software, s->generation);
    free(s);
}

void cr_cluster_software_note(cr_hub *hub, uint64_t generation) {
    cr_lab *server = NULL;
    cr_err err = CR_ERR_INIT;
    started *s = calloc(1, sizeof *s);
    if (!s)
        return;
    s->hub = hub;
    s->generation = generation;
    cr_auto_query cr_query q = CR_QUERY_INIT;
    if (hub->profiles->n_software && cr_query_open(hub->db, &q, NULL, "SELECT id FROM servers WHERE generation = ?", "i", (int64_t)generation) == CR_OK &&
        cr_query_next(&q) && cr_lab_find_by_id(hub, cr_query_int(&q, 0), &server, NULL) == CR_OK && !server->cleaning)
        cr_choice_whole_software(server, s->software);
    if (cr_installed_ask(cr_gateway_of(hub)->installed, s->software, note, free, s, &err) != CR_OK) {
        cr_log_err(CR_LOG_WARN, "noting the software of a server", &err);
        free(s);
    }
}
