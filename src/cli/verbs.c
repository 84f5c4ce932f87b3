/* verbs.c - the operations of `craton calc`: one row each; parser, evaluation, help and completion come from the row. */
#include <string.h>

#include "cli/expression.h"

#define REDUCTION(id, name, help) {name, CR_VERB_REDUCE, CR_REDUCE_##id, CR_TAKES_WORDS, 0, CR_EXPR_DIMS, false, "[DIM...]", help}
#define FUNCTION(id, name, help) {name, CR_VERB_MAP, CR_MAP_##id, CR_TAKES_NOTHING, 0, 0, false, "", help}
#define OF_TWO(id, name, help) {name, CR_VERB_MAP, CR_MAP_##id, CR_TAKES_RESULTS, 1, 1, false, "(B)", help}
#define ALONG(id, name, help) {name, CR_VERB_ALONG, CR_ALONG_##id, CR_TAKES_WORDS, 1, 1, false, "DIM", help}
#define PERIOD(name, every, help) {name, CR_VERB_PERIOD, every, CR_TAKES_NOTHING, 0, 0, true, "", help}

const cr_verb cr_verbs[] = {
    {"sel", CR_VERB_SEL, 0, CR_TAKES_LABELS, 1, CR_EXPR_DIMS, false, "DIM=LABEL|FROM:TO|[LABEL, ...]",
     "by label; both ends of a range are in; dates may be cut short"},
    {"nearest", CR_VERB_NEAREST, 0, CR_TAKES_LABELS, 1, CR_EXPR_DIMS, false, "DIM=LABEL|[LABEL, ...]", "the nearest labels"},
    {"isel", CR_VERB_ISEL, 0, CR_TAKES_LABELS, 1, CR_EXPR_DIMS, false, "DIM=N|FROM:TO:STEP|[N, ...]",
     "by position from 0, negative from the end, TO is out, as in Python"},
    {"where", CR_VERB_WHERE, 0, CR_TAKES_RESULTS, 1, 2, false, "CONDITION[, OTHER]",
     "missing, or OTHER, where the condition does not hold"},
    REDUCTION(MEAN, "mean", "of what is not missing, over all dimensions or those named"),
    REDUCTION(SUM, "sum", "sum"), REDUCTION(PROD, "prod", "product"), REDUCTION(MIN, "min", "smallest"), REDUCTION(MAX, "max", "largest"),
    REDUCTION(STD, "std", "standard deviation, divided by N"), REDUCTION(VAR, "var", "variance, divided by N"),
    {"std1", CR_VERB_REDUCE, CR_REDUCE_STD | CR_VERB_SAMPLE, CR_TAKES_WORDS, 0, CR_EXPR_DIMS, false, "[DIM...]", "standard deviation of a sample, divided by N - 1"},
    {"var1", CR_VERB_REDUCE, CR_REDUCE_VAR | CR_VERB_SAMPLE, CR_TAKES_WORDS, 0, CR_EXPR_DIMS, false, "[DIM...]", "variance of a sample, divided by N - 1"},
    REDUCTION(COUNT, "count", "how many are not missing"), REDUCTION(ANY, "any", "whether any is true"), REDUCTION(ALL, "all",
        "whether all are true"),
    REDUCTION(FIRST, "first", "first that is not missing, by group or period"), REDUCTION(LAST, "last",
        "last that is not missing, by group or period"),
    {"median", CR_VERB_MEDIAN, 0, CR_TAKES_WORDS, 0, CR_EXPR_DIMS, false, "[DIM...]", "exact median"},
    {"quantile", CR_VERB_QUANTILE, 0, CR_TAKES_NUMBER_WORDS, 1, CR_EXPR_DIMS, false, "Q [DIM...]", "exact quantile, linear between values"},
    {"weighted", CR_VERB_WEIGHTED, 0, CR_TAKES_MAYBE_RESULT, 0, 1, true, "[(WEIGHTS)]",
     "mean or sum by weights; without: cosine of the latitude"},
    {"by", CR_VERB_BY, 0, CR_TAKES_ONE_WORD, 1, 1, true, "month|season|year|dayofyear|hour|...|COORDINATE",
     "all Januaries, all Februaries ... together, then a reduction"},
    {"groupby", CR_VERB_BY, 0, CR_TAKES_ONE_WORD, 1, 1, true, "(\"time.month\")", "as by; minus an array of groups it gives anomalies"},
    PERIOD("hourly", 'h', "each hour, then a reduction"), PERIOD("daily", 'D', "each day"), PERIOD("monthly", 'M',
        "each month of each year"),
    PERIOD("seasonal", 'Q', "each DJF, MAM, JJA, SON in a row"), PERIOD("yearly", 'Y', "each year"),
    {"resample", CR_VERB_RESAMPLE, 0, CR_TAKES_LABELS, 1, 1, true, "DIM=FREQUENCY", "periods such as 6h, 5D, MS, QS-DEC, YS"},
    {"rolling", CR_VERB_ROLLING, 0, CR_TAKES_LABELS, 1, 1, true, "DIM=N", "windows of N elements, labelled at their end"},
    {"anomaly", CR_VERB_ANOMALY, 0, CR_TAKES_ONE_WORD, 1, 1, false, "month|season|dayofyear|...",
     "minus the mean of all months of the same name, and so on"},
    ALONG(SLOPE, "trend", "slope of the straight line through what is not missing, per label; along times per year"),
    ALONG(REST, "detrend", "less that line"),
    {"corr", CR_VERB_CORR, 0, CR_TAKES_RESULT_WORDS, 1, CR_EXPR_DIMS, false, "(B[, DIM...])", "Pearson's correlation of the pairs that are there"},
    ALONG(SUMS, "cumsum", "running sum; missing counts as 0"), ALONG(DIFFERENCES, "diff", "each less the one before it"),
    ALONG(FORWARD, "ffill", "missing becomes the last value before it"),
    {"fillna", CR_VERB_FILL, 0, CR_TAKES_RESULTS, 1, 1, false, "(OTHER)", "OTHER where it is missing"},
    {"interp", CR_VERB_INTERP, 0, CR_TAKES_LABELS, 1, CR_EXPR_DIMS, false, "DIM=LABEL|[LABEL, ...]|FROM:TO:STEP", "linear between labels: levels, points, a finer row"},
    {"points", CR_VERB_POINTS, 0, CR_TAKES_LABELS, 1, CR_EXPR_DIMS, false, "DIM=[LABEL, ...] ...",
     "the nearest cells of several places: points lat=[52.5, 48.1] lon=[13.4, 11.6]"},
    {"name", CR_VERB_NAME, 0, CR_TAKES_ONE_WORD, 1, 1, false, "NAME", "another name for the variable"},
    {"attrs", CR_VERB_ATTRS, 0, CR_TAKES_LABELS, 1, CR_EXPR_DIMS, false, "NAME=TEXT ...",
     "sets attributes: attrs long_name=\"sea surface\""},
    {"to", CR_VERB_TO, 0, CR_TAKES_ONE_WORD, 1, 1, false, "UNITS",
     "converts units: K degC degF, Pa hPa, m mm cm km, \"m s-1\" \"km h-1\" ..."},
    {"transpose", CR_VERB_TRANSPOSE, 0, CR_TAKES_WORDS, 1, CR_EXPR_DIMS, false, "DIM...", "dimensions in this order"},
    {"regrid", CR_VERB_REGRID, 0, CR_TAKES_WORDS, 1, 3, false, "rNXxNY|\"FILE\" [METHOD] [skipna]",
     "to columns and rows, or the grid of a file; bilinear, conservative, nearest; missing spreads, but for skipna"},
    OF_TWO(MAXIMUM, "maximum", "the larger of two"), OF_TWO(MINIMUM, "minimum", "the smaller of two"),
    OF_TWO(HYPOT, "hypot", "length of the vector (a, b)"), OF_TWO(ARCTAN2, "arctan2", "angle of a / b in radians"),
    {"clip", CR_VERB_MAP, CR_MAP_CLIP, CR_TAKES_RESULTS, 2, 2, false, "(LOWEST, HIGHEST)", "kept within limits"},
    FUNCTION(ABSOLUTE, "abs", "without the sign"), FUNCTION(SQRT, "sqrt", "square root"), FUNCTION(EXP, "exp", "exponential"),
    FUNCTION(LOG, "log", "natural logarithm"), FUNCTION(LOG10, "log10", "decimal logarithm"), FUNCTION(LOG2, "log2", "binary logarithm"),
    FUNCTION(SIN, "sin", "of radians"), FUNCTION(COS, "cos", "of radians"), FUNCTION(TAN, "tan", "of radians"),
    FUNCTION(ARCSIN, "arcsin", "in radians"), FUNCTION(ARCCOS, "arccos", "in radians"), FUNCTION(ARCTAN, "arctan", "in radians"),
    FUNCTION(DEG2RAD, "deg2rad", "degrees to radians"), FUNCTION(RAD2DEG, "rad2deg", "radians to degrees"),
    FUNCTION(FLOOR, "floor", "rounded down"), FUNCTION(CEIL, "ceil", "rounded up"), FUNCTION(RINT, "rint",
        "rounded to the nearest, halves to even"),
    FUNCTION(SIGN, "sign", "-1, 0 or 1"), FUNCTION(ISNAN, "isnan", "whether it is missing"), FUNCTION(ISFINITE, "isfinite",
        "whether it is a number"),
    {0},
};

const cr_verb *cr_verb_find(const char *name, size_t length) {
    for (const cr_verb *v = cr_verbs; v->name; v++)
        if (strlen(v->name) == length && memcmp(v->name, name, length) == 0)
            return v;
    return NULL;
}
