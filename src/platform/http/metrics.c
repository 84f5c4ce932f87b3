/* metrics.c - series in a list for each metric, found by a map from metric and label values. */
#include "platform/http/metrics.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/map.h"

typedef struct series {
    struct series *next;
    char *labels;                              /* method="GET",code="200" */
    double value;                              /* of a histogram: the sum */
    uint64_t count;
    uint64_t at_most[CR_METRIC_BOUNDS];        /* values in (bound before, bound] */
} series;

struct cr_metrics {
    const cr_metric *table;
    int n;
    cr_map by_key;
    series **first, **last;                    /* [n] */
    uint64_t dropped;
};

cr_status cr_metrics_new(const cr_metric *table, int n, cr_metrics **ret_metrics, cr_err *err) {
    cr_metrics *m = calloc(1, sizeof *m);
    if (m) {
        m->table = table;
        m->n = n;
        cr_map_init(&m->by_key, CR_METRIC_SERIES_MAX);
        m->first = calloc((size_t)n, sizeof *m->first);
        m->last = calloc((size_t)n, sizeof *m->last);
    }
    if (!m || !m->first || !m->last) {
        cr_metrics_free(m);
        return CR_FAIL(err, CR_MEMORY, "no memory for metrics");
    }
    *ret_metrics = m;
    return CR_OK;
}

void cr_metrics_free(cr_metrics *m) {
    if (!m)
        return;
    for (int i = 0; m->first && i < m->n; i++)
        for (series *s = m->first[i], *next; s; s = next) {
            next = s->next;
            free(s->labels);
            free(s);
        }
    cr_map_done(&m->by_key);
    free(m->first);
    free(m->last);
    free(m);
}

/* As the format asks: backslash, quote and line end are escaped. */
static void add_quoted(cr_buf *out, const char *text) {
    cr_buf_addc(out, '"');
    for (; *text; text++) {
        if (*text == '\\' || *text == '"')
            cr_buf_addc(out, '\\');
        if (*text == '\n')
            cr_buf_adds(out, "\\n");
        else
            cr_buf_addc(out, *text);
    }
    cr_buf_addc(out, '"');
}

static series *make(cr_metrics *m, int which, const char *key, const char *labels) {
    series *s = calloc(1, sizeof *s);
    char *copy = strdup(labels);
    cr_err err = CR_ERR_INIT;
    if (!s || !copy || cr_map_set(&m->by_key, key, s, &err) != CR_OK) {
        free(copy);
        free(s);
        return NULL;
    }
    s->labels = copy;
    if (m->last[which])
        m->last[which]->next = s;
    else
        m->first[which] = s;
    m->last[which] = s;
    return s;
}

static series *find(cr_metrics *m, int which, const char *const *values) {
    cr_auto_buf cr_buf key;
    cr_buf_init(&key, 1024);
    cr_buf_addf(&key, "%d ", which);
    size_t begin = key.len;
    for (int i = 0; i < CR_METRIC_LABELS && m->table[which].labels[i]; i++) {
        cr_buf_addf(&key, "%s%s=", i ? "," : "", m->table[which].labels[i]);
        add_quoted(&key, values[i]);
    }
    if (key.failed)
        return NULL;
    series *s = cr_map_get(&m->by_key, key.data);
    return s ? s : make(m, which, key.data, key.data + begin);
}

void cr_metrics_note(cr_metrics *m, int which, const char *const *values, double x) {
    if (!m)
        return;
    const cr_metric *metric = &m->table[which];
    series *s = find(m, which, values);
    if (!s) {
        m->dropped++;
        return;
    }
    s->count++;
    s->value = metric->type == CR_METRIC_GAUGE || metric->absolute ? x : s->value + x;
    if (metric->type != CR_METRIC_HISTOGRAM)
        return;
    for (int i = 0; i < metric->n_bounds; i++)
        if (x <= metric->bounds[i]) {
            s->at_most[i]++;
            break;
        }
}

/* Whole numbers without an exponent, others so that they read back the same. */
static void add_number(cr_buf *out, double x) {
    if (x == floor(x) && fabs(x) < 1e15)
        cr_buf_addf(out, "%.0f", x);
    else
        cr_buf_addf(out, "%.17g", x);
}

static void write_value(const cr_metric *metric, const series *s, cr_buf *out) {
    cr_buf_addf(out, s->labels[0] ? "%s{%s} " : "%s%s ", metric->name, s->labels);
    add_number(out, s->value);
    cr_buf_addc(out, '\n');
}

static void write_histogram(const cr_metric *metric, const series *s, cr_buf *out) {
    const char *comma = s->labels[0] ? "," : "";
    uint64_t sum = 0;
    for (int i = 0; i < metric->n_bounds; i++) {
        sum += s->at_most[i];
        cr_buf_addf(out, "%s_bucket{%s%sle=\"%g\"} %llu\n", metric->name, s->labels, comma, metric->bounds[i], (unsigned long long)sum);
    }
    cr_buf_addf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", metric->name, s->labels, comma, (unsigned long long)s->count);
    cr_buf_addf(out, s->labels[0] ? "%s_sum{%s} " : "%s_sum%s ", metric->name, s->labels);
    add_number(out, s->value);
    cr_buf_addf(out, s->labels[0] ? "\n%s_count{%s} %llu\n" : "\n%s_count%s %llu\n", metric->name, s->labels, (unsigned long long)s->count);
}

void cr_metrics_write(const cr_metrics *m, cr_buf *out) {
    static const char *const types[] = {"counter", "gauge", "histogram"};
    for (int i = 0; i < m->n; i++) {
        const cr_metric *metric = &m->table[i];
        if (m->first[i])
            cr_buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name, types[metric->type]);
        for (const series *s = m->first[i]; s; s = s->next)
            if (metric->type == CR_METRIC_HISTOGRAM)
                write_histogram(metric, s, out);
            else
                write_value(metric, s, out);
    }
    if (m->dropped)
        cr_buf_addf(out, "# HELP craton_metrics_dropped_total Values that were not kept because there were too many series\n"
                         "# TYPE craton_metrics_dropped_total counter\ncraton_metrics_dropped_total %llu\n", (unsigned long long)m->dropped);
}
