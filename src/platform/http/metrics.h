/* metrics.h - numbers that a process collects, and their text for Prometheus (text exposition format 0.0.4).
 *
 * A table says which metrics there are; a series is one metric with values for its labels. Label values must come from small sets (a state, a
 * route, a status): at most CR_METRIC_SERIES_MAX series are kept, what would be one more is dropped and counted. Belongs to one thread.
 */
#ifndef CR_PLATFORM_HTTP_METRICS_H
#define CR_PLATFORM_HTTP_METRICS_H

#include "base/buf.h"

enum { CR_METRIC_LABELS = 3, CR_METRIC_BOUNDS = 16, CR_METRIC_SERIES_MAX = 2000 };

typedef enum cr_metric_type { CR_METRIC_COUNTER, CR_METRIC_GAUGE, CR_METRIC_HISTOGRAM } cr_metric_type;
typedef struct cr_metric {
    const char *name, *help;
    cr_metric_type type;
    const char *labels[CR_METRIC_LABELS];      /* their names; the rest NULL */
    const double *bounds;                      /* of a histogram: upper bounds, ascending, without infinity */
    int n_bounds;
    bool absolute;                             /* a counter that somebody else counts: x is where it stands */
} cr_metric;

typedef struct cr_metrics cr_metrics;

/* Borrows the table. */
cr_status cr_metrics_new(const cr_metric *table, int n, cr_metrics **ret_metrics, cr_err *err) CR_MUST_USE;
void cr_metrics_free(cr_metrics *m);
/* which: row of the table; values: one text for each of its labels, NULL when it has none. A counter grows by x, a gauge is set to x, a
 * histogram counts x. Nothing happens with metrics == NULL. */
void cr_metrics_note(cr_metrics *m, int which, const char *const *values, double x);
/* All metrics that have a series, in the order of the table. */
void cr_metrics_write(const cr_metrics *m, cr_buf *out);

#endif
