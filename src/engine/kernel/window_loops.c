/* window_loops.c - moving windows, of one SIMD level, and their table.
 *
 * Windows are combined from the end of one block and the beginning of the next (van Herk 1992), never by taking away what leaves: one huge value
 * would spoil all that follows. Some series go side by side, a lane each. */
#include <math.h>

#include "engine/kernel/level.h"

#define ALWAYS static inline __attribute__((always_inline))

typedef struct planes {           /* what is known of some elements of each lane */
    double a[CR_WINDOW_LANES];    /* sum, product, extreme, mean */
    double n[CR_WINDOW_LANES];    /* valid elements */
    double m2[CR_WINDOW_LANES];   /* sum of squares about the mean: var and std alone */
} planes;
_Static_assert(sizeof(planes) == CR_WINDOW_ITEM, "series.h says what a position of a window takes");

/* Where lanes lie: lane j of row r of what is read at from + r * row + j * lane, of what is written at to + r * out_row + j * out_lane. */
typedef struct lanes {
    int n;
    int64_t from, row, lane, to, out_row, out_lane;
} lanes;

ALWAYS void clear(int op, int n_lanes, planes *p) {
    double start = op == CR_WINDOW_PROD ? 1 : op == CR_WINDOW_MIN ? INFINITY : op == CR_WINDOW_MAX ? -INFINITY : 0;
    for (int j = 0; j < n_lanes; j++)
        p->a[j] = start, p->n[j] = p->m2[j] = 0;
}

/* to := from, then x; both may be one. */
ALWAYS void add(int op, bool skipna, int n_lanes, const planes *from, const double *x, planes *to) {
    CR_EACH(j, n_lanes) {
        bool ok = !skipna || x[j] == x[j];
        double a = from->a[j], v = x[j];
        switch (op) {
        case CR_WINDOW_SUM:
        case CR_WINDOW_MEAN: to->a[j] = a + (ok ? v : 0); break;
        case CR_WINDOW_PROD: to->a[j] = a * (ok ? v : 1); break;
        case CR_WINDOW_MIN: to->a[j] = ok && !(a <= v) && a == a ? v : a; break;
        case CR_WINDOW_MAX: to->a[j] = ok && !(a >= v) && a == a ? v : a; break;
        default: {
            double d = v - a, mean = a + d / (from->n[j] + 1);
            to->m2[j] = from->m2[j] + (ok ? d * (v - mean) : 0);
            to->a[j] = ok ? mean : a;
        }
        }
        to->n[j] = from->n[j] + ok;
    }
}

/* to := left, then right; NULL: nothing is left of it. */
ALWAYS void join(int op, int n_lanes, const planes *left, const planes *right, planes *to) {
    CR_EACH(j, n_lanes) {
        double a = left->a[j], n = left->n[j], b = right->a[j], m = right->n[j];
        switch (op) {
        case CR_WINDOW_SUM:
        case CR_WINDOW_MEAN: to->a[j] = a + b; break;
        case CR_WINDOW_PROD: to->a[j] = a * b; break;
        case CR_WINDOW_MIN: to->a[j] = !(a <= b) && a == a ? b : a; break;
        case CR_WINDOW_MAX: to->a[j] = !(a >= b) && a == a ? b : a; break;
        default: {
            double all = n + m, d = b - a, m2 = left->m2[j] + right->m2[j] + d * d * n * m / all, mean = a + d * m / all;
            to->m2[j] = n == 0 ? right->m2[j] : m == 0 ? left->m2[j] : m2;
            to->a[j] = n == 0 ? b : m == 0 ? a : mean;
        }
        }
        to->n[j] = m + n;
    }
}

ALWAYS void finish(int op, const cr_window_options *o, int n_lanes, const planes *p, double *out) {
    double least = (double)o->min_count, ddof = o->ddof;
    CR_EACH(j, n_lanes) {
        double n = p->n[j], v = p->a[j];
        switch (op) {
        case CR_WINDOW_SUM:
        case CR_WINDOW_PROD: break;
        case CR_WINDOW_MEAN: v = v / n; break;
        case CR_WINDOW_MIN:
        case CR_WINDOW_MAX: v = n == 0 ? NAN : v; break;
        default: /* with no degrees of freedom, as NumPy has it: infinite, unless missing values were to be left out */
            v = n - ddof > 0 ? p->m2[j] / (n - ddof) : o->skipna ? NAN : p->m2[j] / 0.0;
            v = op == CR_WINDOW_STD ? sqrt(v) : v;
        }
        out[j] = n >= least && v == v ? v : NAN; /* one NaN for all: see map_float.inc */
    }
}

ALWAYS void load(bool single, const lanes *l, const void *in, int64_t r, double *x) {
    int64_t at = l->from + r * l->row;
    if (single && l->lane == 1)
        CR_EACH(j, l->n) x[j] = ((const float *)in)[at + j];
    else if (single)
        for (int j = 0; j < l->n; j++)
            x[j] = ((const float *)in)[at + j * l->lane];
    else
        for (int j = 0; j < l->n; j++)
            x[j] = ((const double *)in)[at + j * l->lane];
}

ALWAYS void store(bool single, const lanes *l, void *out, int64_t r, const double *x) {
    int64_t at = l->to + r * l->out_row;
    if (single && l->out_lane == 1)
        CR_EACH(j, l->n)((float *)out)[at + j] = (float)x[j];
    else if (single)
        for (int j = 0; j < l->n; j++)
            ((float *)out)[at + j * l->out_lane] = (float)x[j];
    else
        for (int j = 0; j < l->n; j++)
            ((double *)out)[at + j * l->out_lane] = x[j];
}

static int64_t round_up(int64_t a, int64_t w) { return (a + w - 1) / w * w; }

/* out_n windows of some lanes, the first at absolute position `first`, which is row 0. */
ALWAYS void float_lanes(int op, bool single, const cr_window_options *o, const lanes *l, int64_t w, int64_t first, int64_t out_n, planes *suffix,
                        const void *in, void *out) {
    double x[CR_WINDOW_LANES];
    int64_t end = first + out_n;
    for (int64_t a = first; a < end;) {
        int64_t border = round_up(a, w), last = border < end ? border : end - 1, r = border;
        planes running, joined;
        clear(op, l->n, &running);
        const planes *behind = &running;
        for (int64_t i = border - 1; i >= a; i--) { /* elements i to border - 1 */
            planes *to = i <= last ? &suffix[i - a] : &running;
            load(single, l, in, i - first, x);
            add(op, o->skipna, l->n, behind, x, to);
            behind = to;
        }
        clear(op, l->n, &running);
        for (int64_t i = a; i <= last; i++) {
            for (; r < i + w; r++) {
                load(single, l, in, r - first, x);
                add(op, o->skipna, l->n, &running, x, &running);
            }
            if (i < border)
                join(op, l->n, &suffix[i - a], &running, &joined);
            finish(op, o, l->n, i < border ? &joined : &running, x);
            store(single, l, out, i - first, x);
        }
        a = last + 1;
    }
}

/* What is one after the other in `suffix` here are the results alone: integers are all valid. */
ALWAYS int64_t joined_int(int op, int64_t a, int64_t b) {
    switch (op) {
    case CR_WINDOW_PROD: return (int64_t)((uint64_t)a * (uint64_t)b);
    case CR_WINDOW_MIN: return a < b ? a : b;
    case CR_WINDOW_MAX: return a > b ? a : b;
    default: return (int64_t)((uint64_t)a + (uint64_t)b);
    }
}

ALWAYS void int_lanes(int op, const lanes *l, int64_t w, int64_t first, int64_t out_n, int64_t *suffix, const int64_t *in, int64_t *out) {
    int64_t end = first + out_n, start = op == CR_WINDOW_PROD ? 1 : op == CR_WINDOW_MIN ? INT64_MAX : op == CR_WINDOW_MAX ? INT64_MIN : 0;
    int64_t running[CR_WINDOW_LANES];
    for (int64_t a = first; a < end;) {
        int64_t border = round_up(a, w), last = border < end ? border : end - 1, r = border;
        for (int j = 0; j < l->n; j++)
            running[j] = start;
        const int64_t *behind = running;
        for (int64_t i = border - 1; i >= a; i--) {
            int64_t *to = i <= last ? suffix + (i - a) * CR_WINDOW_LANES : running;
            const int64_t *x = in + l->from + (i - first) * l->row;
            CR_EACH(j, l->n) to[j] = joined_int(op, x[j * l->lane], behind[j]);
            behind = to;
        }
        for (int j = 0; j < l->n; j++)
            running[j] = start;
        for (int64_t i = a; i <= last; i++) {
            for (; r < i + w; r++) {
                const int64_t *x = in + l->from + (r - first) * l->row;
                CR_EACH(j, l->n) running[j] = joined_int(op, running[j], x[j * l->lane]);
            }
            int64_t *to = out + l->to + (i - first) * l->out_row;
            const int64_t *left = suffix + (i - a) * CR_WINDOW_LANES;
            if (i < border)
                CR_EACH(j, l->n) to[j * l->out_lane] = joined_int(op, left[j], running[j]);
            else
                CR_EACH(j, l->n) to[j * l->out_lane] = running[j];
        }
        a = last + 1;
    }
}

/* All series of a box, CR_WINDOW_LANES at a time: side by side, or, where they lie one behind the other, a series apart. */
#define WINDOW(name, some_lanes)                                                                                                          \
    static void name(const cr_window_options *o, int64_t w, int64_t first, const cr_along_box *b, void *work, const void *in, void *out) { \
        lanes l = {.row = b->inner, .out_row = b->inner, .lane = 1, .out_lane = 1};                                                       \
        int64_t outer = b->outer, inner = b->inner;                                                                                       \
        if (inner == 1) {                                                                                                                 \
            l.lane = b->n;                                                                                                                \
            l.out_lane = b->out_n;                                                                                                        \
            inner = outer;                                                                                                                \
            outer = 1;                                                                                                                    \
        }                                                                                                                                 \
        for (int64_t i = 0; i < outer; i++)                                                                                               \
            for (int64_t j = 0; j < inner; j += CR_WINDOW_LANES) {                                                                        \
                l.n = (int)(inner - j < CR_WINDOW_LANES ? inner - j : CR_WINDOW_LANES);                                                     \
                l.from = i * b->n * inner + j * l.lane;                                                                                   \
                l.to = i * b->out_n * inner + j * l.out_lane;                                                                             \
                some_lanes;                                                                                                               \
            }                                                                                                                             \
        (void)o;                                                                                                                          \
    }
#define FLOATS(name, op)                                                                         \
    WINDOW(name##_f32, float_lanes(op, true, o, &l, w, first, b->out_n, work, in, out))          \
    WINDOW(name##_f64, float_lanes(op, false, o, &l, w, first, b->out_n, work, in, out))
#define INTEGERS(name, op) WINDOW(name##_i64, int_lanes(op, &l, w, first, b->out_n, work, in, out))
FLOATS(sum, CR_WINDOW_SUM)
FLOATS(prod, CR_WINDOW_PROD)
FLOATS(mean, CR_WINDOW_MEAN)
FLOATS(min, CR_WINDOW_MIN)
FLOATS(max, CR_WINDOW_MAX)
FLOATS(var, CR_WINDOW_VAR)
FLOATS(std, CR_WINDOW_STD)
INTEGERS(sum, CR_WINDOW_SUM)
INTEGERS(prod, CR_WINDOW_PROD)
INTEGERS(min, CR_WINDOW_MIN)
INTEGERS(max, CR_WINDOW_MAX)

const cr_window_table CR_PASTE(cr_window_table_, CR_LEVEL) = {
    .f32 = {[CR_WINDOW_SUM] = sum_f32, [CR_WINDOW_PROD] = prod_f32, [CR_WINDOW_MEAN] = mean_f32, [CR_WINDOW_MIN] = min_f32,
            [CR_WINDOW_MAX] = max_f32, [CR_WINDOW_VAR] = var_f32, [CR_WINDOW_STD] = std_f32},
    .f64 = {[CR_WINDOW_SUM] = sum_f64, [CR_WINDOW_PROD] = prod_f64, [CR_WINDOW_MEAN] = mean_f64, [CR_WINDOW_MIN] = min_f64,
            [CR_WINDOW_MAX] = max_f64, [CR_WINDOW_VAR] = var_f64, [CR_WINDOW_STD] = std_f64},
    .i64 = {[CR_WINDOW_SUM] = sum_i64, [CR_WINDOW_PROD] = prod_i64, [CR_WINDOW_MIN] = min_i64, [CR_WINDOW_MAX] = max_i64}};
