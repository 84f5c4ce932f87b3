/* config_value.h - inside daemon/: what the value of one setting may be, and where it lies in the record. The rules between values are in
 * config_rules.c, the table of the settings in config.c.
 *
 * The predicates are asked again of a record that came over a socket. They take any text that ends.
 */
#ifndef CR_PLATFORM_DAEMON_CONFIG_VALUE_H
#define CR_PLATFORM_DAEMON_CONFIG_VALUE_H

#include <stddef.h>
#include "platform/daemon/config.h"

typedef enum cr_value_kind {
    /* texts */
    CR_VALUE_PATH, CR_VALUE_BASE, CR_VALUE_ACME, CR_VALUE_MAIL, CR_VALUE_SMTP, CR_VALUE_WORDS, CR_VALUE_LINE, CR_VALUE_LINK, CR_VALUE_LANGUAGE,
    CR_VALUE_ADDRESS, CR_VALUE_HOST, CR_VALUE_CIDRS, CR_VALUE_PREFIX, CR_VALUE_GROUPS, CR_VALUE_DISKS, CR_VALUE_FOLDERS,
    /* int64_t, thousandths of a CPU as int64_t, uint64_t, bool */
    CR_VALUE_INT, CR_VALUE_CPUS, CR_VALUE_BYTES, CR_VALUE_YES_NO
} cr_value_kind;

/* One setting: a row of the table in config.c. */
typedef struct cr_config_row {
    const char *key, *value_name, *help;
    cr_value_kind kind;
    size_t offset, size;              /* in cr_config */
    int64_t min, max;
} cr_config_row;

static inline bool cr_value_is_text(cr_value_kind kind) { return kind < CR_VALUE_INT; }

/* Errors begin with the setting's name. */
cr_status cr_config_row_set(cr_config *c, const cr_config_row *row, const char *value, cr_err *err) CR_MUST_USE;
/* Does every text of a record that came as bytes end inside its field, and is what is yes or no one of them? (config.c) */
cr_status cr_config_check_shape(const cr_config *c, cr_err *err) CR_MUST_USE;

bool cr_value_is_base(const char *s);          /* /NAME..., or "" */
bool cr_value_is_url(const char *s);           /* https://, and fit to be an argument of a program */
bool cr_value_is_mail(const char *s);
bool cr_value_is_words(const char *s);         /* printable ASCII */

#endif
