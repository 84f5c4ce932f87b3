/* unit_table.c - units that are converted: each is base * scale + offset of a kind. Definitions: BIPM, The International System of
 * Units (2019). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/evaluate.h"

typedef struct unit {
    const char *name, *kind;
    double scale, offset;
} unit;

static const unit units[] = {
    {"K", "temperature", 1, 0}, {"kelvin", "temperature", 1, 0}, {"degK", "temperature", 1, 0},
    {"degC", "temperature", 1, 273.15}, {"celsius", "temperature", 1, 273.15}, {"Celsius", "temperature", 1, 273.15},
    {"deg_C", "temperature", 1, 273.15},
    {"degree_C", "temperature", 1, 273.15}, {"degrees_C", "temperature", 1, 273.15}, {"degree_Celsius", "temperature", 1, 273.15},
    {"degrees_Celsius", "temperature", 1, 273.15}, {"\u00b0C", "temperature", 1, 273.15},
    {"degF", "temperature", 5.0 / 9, 459.67 * 5 / 9}, {"fahrenheit", "temperature", 5.0 / 9, 459.67 * 5 / 9},
    {"Pa", "pressure", 1, 0}, {"hPa", "pressure", 100, 0}, {"mbar", "pressure", 100, 0}, {"millibar", "pressure", 100, 0},
    {"kPa", "pressure", 1000, 0},
    {"bar", "pressure", 100000, 0}, {"m", "length", 1, 0}, {"mm", "length", 0.001, 0}, {"cm", "length", 0.01, 0}, {"km", "length", 1000, 0},
    {"m s-1", "speed", 1, 0}, {"m/s", "speed", 1, 0}, {"m s**-1", "speed", 1, 0}, {"km h-1", "speed", 1000.0 / 3600, 0},
    {"km/h", "speed", 1000.0 / 3600, 0},
    {"cm s-1", "speed", 0.01, 0}, {"cm/s", "speed", 0.01, 0}, {"knot", "speed", 1852.0 / 3600, 0}, {"kt", "speed", 1852.0 / 3600, 0},
    /* a layer of 1 mm of water is 1 kg m-2 */
    {"kg m-2 s-1", "flux of water", 1, 0}, {"mm s-1", "flux of water", 1, 0}, {"mm/s", "flux of water", 1, 0},
    {"mm day-1", "flux of water", 1.0 / 86400, 0},
    {"mm/day", "flux of water", 1.0 / 86400, 0}, {"mm d-1", "flux of water", 1.0 / 86400, 0}, {"mm h-1", "flux of water", 1.0 / 3600, 0},
    {"1", "share", 1, 0}, {"%", "share", 0.01, 0}, {"percent", "share", 0.01, 0},
};

static const unit *find(const char *name) {
    for (size_t k = 0; k < CR_ARRAY_LEN(units); k++)
        if (strcmp(units[k].name, name) == 0)
            return &units[k];
    return NULL;
}

static cr_status by_number(cr_context *c, cr_map_op op, double number, cr_labelled **a, cr_err *err) {
    cr_labelled *operand = NULL, *next = NULL;
    CR_TRY(cr_labelled_number(c, number, &operand, err));
    cr_status status = cr_labelled_map(op, (cr_labelled *[]){*a, operand}, &next, err);
    cr_labelled_unref(operand);
    if (status == CR_OK)
        cr_labelled_become(a, next);
    return status;
}

/* (a * scale1 + offset1 - offset2) / scale2, with no operation that changes nothing. */
static cr_status calculate(cr_context *c, const unit *from, const unit *to, cr_labelled **a, cr_err *err) {
    double up = from->scale / to->scale, down = to->scale / from->scale, shift = (from->offset - to->offset) / to->scale;
    if (up != 1) /* the one of both that is a whole number is exact */
        CR_TRY(by_number(c, down == rint(down) ? CR_MAP_DIVIDE : CR_MAP_MULTIPLY, down == rint(down) ? down : up, a, err));
    return shift != 0 ? by_number(c, CR_MAP_ADD, shift, a, err) : CR_OK;
}

cr_status cr_convert_units(cr_context *c, cr_labelled *a, const char *to, cr_labelled **ret_array, cr_err *err) {
    const cr_attr *own = NULL;
    for (int k = 0; k < cr_labelled_n_attrs(a); k++)

          if (strcmp(cr_labelled_attr(a, k)->name, "units") == 0 && cr_labelled_attr(a, k)->dtype == CR_STRING &&
            cr_labelled_attr(a, k)->n == 1)
            own = cr_labelled_attr(a, k);
    if (!own) {
        cr_err_set(err, CR_INVALID, __FILE__, __LINE__, "%s has no units", cr_labelled_name(a) ? cr_labelled_name(a) : "the array");
        cr_err_hint(err, "They can be set: attrs units=\"K\".");
        return CR_INVALID;
    }
    const char *name = *(const char *const *)own->values;
    const unit *from = find(name), *into = find(to);
    if (!from || !into || strcmp(from->kind, into->kind) != 0) {
        cr_err_set(err, CR_UNSUPPORTED, __FILE__, __LINE__, "\"%.60s\" to \"%.60s\" is not known", name, to);
        char known[200] = "";
        for (size_t k = 0; from && k < CR_ARRAY_LEN(units); k++)
            if (strcmp(units[k].kind, from->kind) == 0 && strlen(known) + strlen(units[k].name) + 3 < sizeof known)
                snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", *known ? ", " : "", units[k].name);
        if (*known)
            cr_err_hint(err, "From %.60s there are: %s. Others by arithmetic: (tos - 273.15) | attrs units=degC", name, known);
        else
            cr_err_hint(err, "Write the arithmetic, and set the units: (tos - 273.15) | attrs units=degC");
        return CR_UNSUPPORTED;
    }
    cr_labelled *now = cr_labelled_ref(a);
    cr_status status = calculate(c, from, into, &now, err);
    if (status == CR_OK)
        status = cr_set_attr(now, "units", to, ret_array, err);
    cr_labelled_unref(now);
    return status;
}
