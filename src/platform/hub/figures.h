/* figures.h - what the hub counts, and GET /hub/metrics for Prometheus. Inside hub/ and its feature; the hub's loop.
 *
 * Where JupyterHub has a metric of the same meaning it has JupyterHub's name, labels and bounds, so that dashboards and alerts made for it go on
 * working; what is Craton's own begins with craton_. No series names a person.
 */
#ifndef CR_PLATFORM_HUB_FIGURES_H
#define CR_PLATFORM_HUB_FIGURES_H

#include "platform/http/metrics.h"
#include "platform/hub/lab.h"

typedef enum cr_figure {
    CR_FIGURE_REQUEST, CR_FIGURE_SPAWN, CR_FIGURE_STOP,                                     /* noted when they happen */
    CR_FIGURE_STOPS, CR_FIGURE_SIGN_INS,
    CR_FIGURE_RUNNING, CR_FIGURE_USERS, CR_FIGURE_ACTIVE, CR_FIGURE_SERVERS,                /* looked up when somebody asks */
    CR_FIGURE_DISK, CR_FIGURE_DISK_FREE, CR_FIGURE_ROOM, CR_FIGURE_RESERVED, CR_FIGURE_PAUSED, CR_FIGURE_PROXY, CR_FIGURE_TLS_UNTIL,
    CR_FIGURE_CLUSTERS, CR_FIGURE_WORKERS, CR_FIGURE_BUILD,
    CR_FIGURE_CPU, CR_FIGURE_RESIDENT, CR_FIGURE_VIRTUAL, CR_FIGURE_FILES, CR_FIGURE_FILES_MOST, CR_FIGURE_PROCESS_START,
    CR_FIGURE_COUNT
} cr_figure;

cr_status cr_figures_open(cr_hub *hub, cr_err *err) CR_MUST_USE;
void cr_figures_close(cr_hub *hub);
/* One value for each label of the metric. */
void cr_figures_note(cr_hub *hub, cr_figure which, double x, const char *label0, const char *label1, const char *label2);

/* The hooks: an answered request; a start that ended well or not; a server that has stopped; a sign-in. */
void cr_figures_request(const cr_request *req);
void cr_figures_start(const cr_lab *server, const char *failure);      /* "" : none */
void cr_figures_stopped(const cr_lab *server);
void cr_figures_sign_in(cr_hub *hub, bool right);

void cr_api_metrics(cr_request *req);          /* GET /hub/metrics */

#endif
