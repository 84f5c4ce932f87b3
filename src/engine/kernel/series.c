/* series.c - see series.h. Windows are combined from the end of one block and the beginning of the next (van Herk 1992), never by taking away what
 * leaves: one huge value would spoil all that follows. */
#include "engine/kernel/series.h"

#include <math.h>
#include <string.h>
#include "base/error.h"

/* ---- running sums ---- */

#define CUMULATE(name, type, wide, neutral, combine)                                                                       \
    static void name(bool skipna, const cr_along_box *b, wide *state, const type *in, type *out) {                         \
        for (int64_t o = 0; o < b->outer; o++, state += b->inner)                                                          \
            for (int64_t i = 0; i < b->n; i++) {                                                                           \
                const type *x = in + (o * b->n + i) * b->inner;                                                            \
                for (int64_t j = 0; j < b->inner; j++) {                                                                   \
                    wide v = (wide)x[j];                                                                                   \
                    v = skipna && v != v ? neutral : v;                                                                    \
                    state[j] = combine;                                                                                    \
                }                                                                                                          \
                if (i < b->skip)                                                                                           \
                    continue;                                                                                              \
                type *to = out + (o * b->out_n + b->out_at + i - b->skip) * b->inner;                                      \
                for (int64_t j = 0; j < b->inner; j++)                                                                     \
                    to[j] = (type)state[j];                                                                                \
            }                                                                                                              \
    }
CUMULATE(sum_f32, float, double, 0, state[j] + v)
CUMULATE(sum_f64, double, double, 0, state[j] + v)
CUMULATE(sum_u64, uint64_t, uint64_t, 0, state[j] + v) /* int64 wraps the same way */
CUMULATE(prod_f32, float, double, 1, state[j] * v)
CUMULATE(prod_f64, double, double, 1, state[j] * v)
CUMULATE(prod_u64, uint64_t, uint64_t, 1, state[j] * v)

void cr_along_cumulate(cr_dtype type, bool product, bool skipna, const cr_along_box *b, void *state, const void *in, void *out) {
    if (type == CR_F32)
        (product ? prod_f32 : sum_f32)(skipna, b, state, in, out);
    else if (type == CR_F64)
        (product ? prod_f64 : sum_f64)(skipna, b, state, in, out);
    else
        (product ? prod_u64 : sum_u64)(false, b, state, in, out);
}

/* ---- fills ---- */

#define FILL(name, type)                                                                                                    \
    static void name(int64_t limit, const cr_along_box *b, type *last, int64_t *age, const type *in, type *out) {           \
        for (int64_t o = 0; o < b->outer; o++, last += b->inner, age += b->inner)                                           \
            for (int64_t i = 0; i < b->n; i++) {                                                                            \
                const type *x = in + (o * b->n + i) * b->inner;                                                             \
                type *to = i < b->skip ? NULL : out + (o * b->out_n + b->out_at + i - b->skip) * b->inner;                  \
                for (int64_t j = 0; j < b->inner; j++) {                                                                    \
                    bool valid = x[j] == x[j];                                                                              \
                    last[j] = valid ? x[j] : last[j];                                                                       \
                    age[j] = valid ? 0 : age[j] + 1;                                                                        \
                    if (to != NULL)                                                                                         \
                        to[j] = limit == 0 || age[j] <= limit ? last[j] : x[j];                                             \
                }                                                                                                           \
            }                                                                                                               \
    }
FILL(fill_f32, float)
FILL(fill_f64, double)

void cr_along_fill(cr_dtype type, int64_t limit, const cr_along_box *b, void *last, int64_t *age, const void *in, void *out) {
    if (type == CR_F32)
        fill_f32(limit, b, last, age, in, out);
    else
        fill_f64(limit, b, last, age, in, out);
}

/* ---- windows ---- */

typedef struct planes {           /* what is known of some elements of each lane */
    double a[CR_WINDOW_LANES];    /* sum, product, extreme, mean */
    double n[CR_WINDOW_LANES];    /* valid elements */
    double m2[CR_WINDOW_LANES];   /* sum of squares about the mean */
} planes;

typedef struct window {
    cr_window_op op;
    bool skipna;
    int ddof, lanes;
} window;

size_t cr_along_window_bytes(int64_t w) { return (size_t)w * sizeof(planes); }

static void clear(const window *w, planes *p) {
    static const double start[] = {[CR_WINDOW_PROD] = 1, [CR_WINDOW_MIN] = INFINITY, [CR_WINDOW_MAX] = -INFINITY, [CR_WINDOW_STD] = 0};
    for (int j = 0; j < w->lanes; j++) {
        p->a[j] = start[w->op];
        p->n[j] = p->m2[j] = 0;
    }
}

static void add(const window *w, planes *p, const double *x) {
#define EACH(...)                                               \
    for (int j = 0; j < w->lanes; j++) {                        \
        bool ok = !w->skipna || x[j] == x[j];                   \
        __VA_ARGS__;                                            \
        p->n[j] += ok;                                          \
    }
    switch (w->op) {
    case CR_WINDOW_SUM:
    case CR_WINDOW_MEAN: EACH(p->a[j] += ok ? x[j] : 0) break;
    case CR_WINDOW_PROD: EACH(p->a[j] *= ok ? x[j] : 1) break;
    case CR_WINDOW_MIN: EACH(p->a[j] = ok && !(p->a[j] <= x[j]) && p->a[j] == p->a[j] ? x[j] : p->a[j]) break;
    case CR_WINDOW_MAX: EACH(p->a[j] = ok && !(p->a[j] >= x[j]) && p->a[j] == p->a[j] ? x[j] : p->a[j]) break;
    default:
        EACH({
            double d = x[j] - p->a[j], mean = p->a[j] + d / (p->n[j] + 1);
            p->m2[j] += ok ? d * (x[j] - mean) : 0;
            p->a[j] = ok ? mean : p->a[j];
        })
    }
#undef EACH
}

/* p := left, then p */
static void join(const window *w, const planes *left, planes *p) {
    for (int j = 0; j < w->lanes; j++) {
        double a = left->a[j], n = left->n[j];
        switch (w->op) {
        case CR_WINDOW_SUM:
        case CR_WINDOW_MEAN: p->a[j] = a + p->a[j]; break;
        case CR_WINDOW_PROD: p->a[j] = a * p->a[j]; break;
        case CR_WINDOW_MIN: p->a[j] = !(a <= p->a[j]) && a == a ? p->a[j] : a; break;
        case CR_WINDOW_MAX: p->a[j] = !(a >= p->a[j]) && a == a ? p->a[j] : a; break;
        default: {
            double all = n + p->n[j], d = p->a[j] - a;
            p->m2[j] = n == 0 ? p->m2[j] : p->n[j] == 0 ? left->m2[j] : left->m2[j] + p->m2[j] + d * d * n * p->n[j] / all;
            p->a[j] = n == 0 ? p->a[j] : p->n[j] == 0 ? a : a + d * p->n[j] / all;
        }
        }
        p->n[j] += n;
    }
}

static void finish(const window *w, const planes *p, double *out) {
    for (int j = 0; j < w->lanes; j++) {
        double n = p->n[j], v = p->a[j];
        switch (w->op) {
        case CR_WINDOW_SUM:
        case CR_WINDOW_PROD: out[j] = v; break;
        case CR_WINDOW_MEAN: out[j] = v / n; break;
        case CR_WINDOW_MIN:
        case CR_WINDOW_MAX: out[j] = n == 0 ? NAN : v; break;
        default:
            v = n - w->ddof > 0 ? p->m2[j] / (n - w->ddof) : NAN;
            out[j] = w->op == CR_WINDOW_STD ? sqrt(v) : v;
        }
    }
}

/* Where lanes lie: lane j of row r of what is read at from + r * row + j * lane, of what is written at to + r * out_row + j * out_lane. */
typedef struct lanes {
    bool single;
    int64_t from, row, lane, to, out_row, out_lane;
} lanes;

static void load(const window *w, const lanes *l, const void *in, int64_t r, double *x) {
    int64_t at = l->from + r * l->row;
    if (l->single)
        for (int j = 0; j < w->lanes; j++)
            x[j] = ((const float *)in)[at + j * l->lane];
    else
        for (int j = 0; j < w->lanes; j++)
            x[j] = ((const double *)in)[at + j * l->lane];
}

static void store(const window *w, const lanes *l, void *out, int64_t r, const double *x) {
    int64_t at = l->to + r * l->out_row;
    if (l->single)
        for (int j = 0; j < w->lanes; j++)
            ((float *)out)[at + j * l->out_lane] = (float)x[j];
    else
        for (int j = 0; j < w->lanes; j++)
            ((double *)out)[at + j * l->out_lane] = x[j];
}

static void copy(const window *w, planes *to, const planes *from) {
    memcpy(to->a, from->a, (size_t)w->lanes * sizeof(double));
    memcpy(to->n, from->n, (size_t)w->lanes * sizeof(double));
    if (w->op == CR_WINDOW_VAR || w->op == CR_WINDOW_STD)
        memcpy(to->m2, from->m2, (size_t)w->lanes * sizeof(double));
}

static int64_t round_up(int64_t a, int64_t w) { return (a + w - 1) / w * w; }

/* out_n windows of some lanes, the first at absolute position `first`, which is row 0. */
static void float_lanes(const window *k, const lanes *l, int64_t w, int64_t first, int64_t out_n, planes *suffix, const void *in, void *out) {
    double x[CR_WINDOW_LANES];
    int64_t end = first + out_n;
    for (int64_t a = first; a < end;) {
        int64_t border = round_up(a, w), last = CR_MIN(border, end - 1), r = border;
        planes running, joined;
        clear(k, &running);
        for (int64_t i = border - 1; i >= a; i--) { /* elements i to border - 1 */
            load(k, l, in, i - first, x);
            add(k, &running, x);
            if (i <= last)
                copy(k, &suffix[i - a], &running);
        }
        clear(k, &running);
        for (int64_t i = a; i <= last; i++) {
            for (; r < i + w; r++) {
                load(k, l, in, r - first, x);
                add(k, &running, x);
            }
            copy(k, &joined, &running);
            if (i < border)
                join(k, &suffix[i - a], &joined);
            finish(k, &joined, x);
            store(k, l, out, i - first, x);
        }
        a = last + 1;
    }
}

static int64_t joined_int(cr_window_op op, int64_t a, int64_t b) {
    switch (op) {
    case CR_WINDOW_PROD: return (int64_t)((uint64_t)a * (uint64_t)b);
    case CR_WINDOW_MIN: return a < b ? a : b;
    case CR_WINDOW_MAX: return a > b ? a : b;
    default: return (int64_t)((uint64_t)a + (uint64_t)b);
    }
}

static void int_lane(cr_window_op op, int64_t w, int64_t first, const cr_along_box *b, int64_t *suffix, const int64_t *in, int64_t *out) {
    int64_t end = first + b->out_n, start = op == CR_WINDOW_PROD ? 1 : op == CR_WINDOW_MIN ? INT64_MAX : op == CR_WINDOW_MAX ? INT64_MIN : 0;
    for (int64_t a = first; a < end;) {
        int64_t border = round_up(a, w), last = CR_MIN(border, end - 1), r, v = start;
        for (r = border - 1; r >= a; r--)
            suffix[r - a] = v = joined_int(op, in[(r - first) * b->inner], v);
        v = start;
        r = border;
        for (int64_t i = a; i <= last; i++) {
            for (; r < i + w; r++)
                v = joined_int(op, v, in[(r - first) * b->inner]);
            out[(i - first) * b->inner] = i < border ? joined_int(op, suffix[i - a], v) : v;
        }
        a = last + 1;
    }
}

static void float_windows(window *k, bool single, int64_t w, int64_t first, const cr_along_box *b, void *work, const void *in, void *out) {
    lanes l = {.single = single, .row = b->inner, .out_row = b->inner, .lane = 1, .out_lane = 1};
    if (b->inner == 1) { /* series lie one behind the other */
        l.lane = b->n;
        l.out_lane = b->out_n;
        for (int64_t i = 0; i < b->outer; i += CR_WINDOW_LANES) {
            k->lanes = (int)CR_MIN(CR_WINDOW_LANES, b->outer - i);
            l.from = i * b->n;
            l.to = i * b->out_n;
            float_lanes(k, &l, w, first, b->out_n, work, in, out);
        }
        return;
    }
    for (int64_t i = 0; i < b->outer; i++)
        for (int64_t j = 0; j < b->inner; j += CR_WINDOW_LANES) {
            k->lanes = (int)CR_MIN(CR_WINDOW_LANES, b->inner - j);
            l.from = i * b->n * b->inner + j;
            l.to = i * b->out_n * b->inner + j;
            float_lanes(k, &l, w, first, b->out_n, work, in, out);
        }
}

void cr_along_window(cr_dtype type, cr_window_op op, const cr_window_options *o, int64_t w, int64_t first, const cr_along_box *b, void *work,
                     const void *in, void *out) {
    window k = {.op = op, .skipna = o->skipna, .ddof = o->ddof};
    if (type == CR_F32 || type == CR_F64) {
        float_windows(&k, type == CR_F32, w, first, b, work, in, out);
        return;
    }
    for (int64_t i = 0; i < b->outer; i++)
        for (int64_t j = 0; j < b->inner; j++)
            int_lane(op, w, first, b, work, (const int64_t *)in + i * b->n * b->inner + j, (int64_t *)out + i * b->out_n * b->inner + j);
}
