/* cdo_names.c - what operators of CDO and programs of NCO and netCDF are called here, for the hints of errors: nobody who types yearmean has to
 * look it up. docs/from-cdo.md shows whole commands. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/expression.h"

/* Operators that are a statistic (mean, sum ...) of something. */
static const struct { const char *prefix, *before, *behind; } families[] = {
    {"yhour", "by hour ", ""}, {"yday", "by dayofyear ", ""}, {"ymon", "by month ", ""}, {"yseas", "by season ", ""},
    {"hour", "hourly ", ""}, {"day", "daily ", ""}, {"mon", "monthly ", ""}, {"seas", "seasonal ", ""}, {"year", "yearly ", ""},
    {"tim", "", " time"}, {"run", "rolling time=N ", ""}, {"fld", "", " lat lon"}, {"zon", "", " lon"}, {"mer", "", " lat"},
    {"vert", "", " lev"}, {"ens", "", " member"}};
static const struct { const char *name, *here; bool weighted; /* over areas */ } statistics[] = {
    {"mean", "mean", true}, {"avg", "mean", true}, {"sum", "sum", false}, {"min", "min", false}, {"max", "max", false}, {"std", "std", false},
    {"std1", "std1", false}, {"var", "var", false}, {"var1", "var1", false}, {"pctl", "quantile 0.9", false}};

/* Others; with a blank at the beginning: a whole command. */
static const struct { const char *names, *here; } others[] = {
    {"sellonlatbox", "sel lon=-20:30 lat=-3:3"}, {"selname selvar select selparam", "the name of the variable, or a,b"},
    {"selyear", "sel time=2008"}, {"seldate", "sel time=2007-01-01:2008-06-30"}, {"selmon", "sel month=[6,7,8]"}, {"selday", "sel day=1"},
    {"selhour", "sel hour=[0,12]"}, {"selseas selseason", "sel season=DJF"}, {"seltimestep", "isel time=0:10"}, {"sellevel", "sel lev=850"},
    {"sellevidx", "isel lev=0"}, {"selindexbox", "isel lon=0:10 lat=0:10"}, {"intlevel intlevelx ml2pl ap2pl", "interp lev=[850, 500]"},
    {"ymonsub", "anomaly month"}, {"yseassub", "anomaly season"}, {"ydaysub", "anomaly dayofyear"},
    {"sub add mul div", "a - b.a, with b=FILE behind the files"}, {"addc subc mulc divc", "tos - 273.15"}, {"sqr", "tos ** 2"},
    {"expr exprf aexpr ncap2", "name = expression"}, {"chname", "name sst"}, {"chunit setunit", "attrs units=K, or to degC"},
    {"setattribute ncatted", "attrs NAME=TEXT"}, {"setmissval setctomiss setrtomiss setvrange", "where tos > 0"}, {"ifthen", "where mask > 0"},
    {"ifthenelse", "where(mask > 0, a, b)"}, {"gtc gec ltc lec eqc nec", "tos > 3"}, {"setmisstoc", "fillna(0)"}, {"remapbil", "regrid r360x180"},
    {"remapcon remapcon2 remaplaf", "regrid r360x180 conservative"}, {"remapnn remapdis", "regrid nearest r360x180"}, {"detrend", "detrend time"},
    {"trend regres", "trend time"}, {"timcor fldcor", "corr(b, time)"}, {"timcumsum", "cumsum time"}, {"deltat", "diff time"}, {"timselmean", "resample time=5D mean"},
    {"median timmedian", "median time"}, {"ln", "log"}, {"asin", "arcsin"}, {"acos", "arccos"}, {"atan", "arctan"}, {"atan2", "arctan2"},
    {"nint round", "rint"}, {"fillmiss setmisstonn", "ffill time"}, {"avg average", "mean"}, {"stddev", "std"},
    {"percentile pctl", "quantile 0.9"}, {"climatology clim", "by month mean"}, {"interpolate", "interp lev=[850, 500]"}, {"rename", "name sst"}, {"convert_units", "to degC"}, {"coarsen", "resample time=5D mean"},
    {"sinfo sinfov sinfon infov griddes zaxisdes showdate showtime showtimestamp showlevel showformat ncdump", " craton info in.nc"},
    {"infon", " craton info --stats in.nc"}, {"showname showvar pardes nvar", " craton info --names in.nc"},
    {"copy nccopy", " craton convert in.nc out.nc"}, {"mergetime cat ncrcat", " craton calc '*' a.nc b.nc -o out.nc"},
    {"merge", " craton calc '*, b.pr' a.nc b=b.nc -o out.nc"}, {"ncra", " craton calc '* | mean time' in.nc -o out.nc"},
    {"ncea nces", " craton calc '* | mean member' a.nc b.nc --along member -o out.nc"}, {"ncks", " craton calc 'tos.sel(lat=-3:3)' in.nc -o out.nc"},
    {"ncwa", " craton calc '* | mean lat lon' in.nc -o out.nc"}, {"ncdiff ncbo diffn diffv cmp", " craton diff a.nc b.nc"},
    {"ncview view show", " craton plot in.nc"}, {"output outputtab csv", " craton calc 'tos | nearest lat=52 lon=13' in.nc -o out.csv"},
    {"splityear splitmon splitseas splitday splitname splitlevel", " craton calc '*' in.nc -o 'out_{year}.nc'"}, {"compress", " craton convert in.nc out.nc --codec zstd"}};

static bool is_word_of(const char *words, const char *word, size_t n) {
    for (const char *w = words; *w; w += strspn(w, " ")) {
        size_t length = strcspn(w, " ");
        if (length == n && memcmp(w, word, n) == 0)
            return true;
        w += length;
    }
    return false;
}

static bool from_family(const char *word, size_t n, char *buf, size_t size) {
    for (size_t f = 0; f < CR_ARRAY_LEN(families); f++) {
        size_t length = strlen(families[f].prefix);
        if (n <= length || memcmp(word, families[f].prefix, length) != 0)
            continue;
        for (size_t s = 0; s < CR_ARRAY_LEN(statistics); s++) {
            if (strlen(statistics[s].name) != n - length || memcmp(word + length, statistics[s].name, n - length) != 0)
                continue;
            bool area = strstr(families[f].behind, "lat") != NULL;
            snprintf(buf, size, "%s%s%s%s", area && statistics[s].weighted ? "weighted " : "", families[f].before, statistics[s].here, families[f].behind);
            return true;
        }
    }
    return false;
}

bool cr_known_elsewhere(const char *word, size_t n, char *buf, size_t size, bool *ret_command) {
    for (size_t k = 0; k < CR_ARRAY_LEN(others); k++)
        if (is_word_of(others[k].names, word, n)) {
            *ret_command = others[k].here[0] == ' ';
            snprintf(buf, size, "%s", others[k].here + *ret_command);
            return true;
        }
    *ret_command = false;
    return from_family(word, n, buf, size);
}
