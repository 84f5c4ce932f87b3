/* po.h - catalogues of gettext's form (.po), read as the translators' tools write them.
 *
 * Source: GNU gettext manual, "The Format of PO Files" and "Plural forms". Read are comments with flags (#,), msgctxt, msgid, msgid_plural, msgstr and
 * msgstr[N], texts in several quoted pieces, and the escapes \n \t \r \\ \". Entries that are fuzzy, obsolete (#~) or not translated are left out.
 *
 * Invariants
 *  1. A file has at most CR_PO_BYTES_MAX bytes of UTF-8, a text CR_PO_TEXT_MAX, a file CR_PO_ENTRIES_MAX entries; beyond that it is refused.
 *  2. What is wrong is said with the number of its line, and nothing of the file is used.
 */
#ifndef CR_PLATFORM_HTTP_PO_H
#define CR_PLATFORM_HTTP_PO_H

#include <stdbool.h>
#include "base/buf.h"

enum { CR_PO_BYTES_MAX = 2 << 20, CR_PO_TEXT_MAX = 8 << 10, CR_PO_ENTRIES_MAX = 8000, CR_PO_FORMS_MAX = 6 };

typedef struct cr_po_entry {
    int line;                            /* of its msgid */
    bool c_format, fuzzy;
    const char *context, *id, *plural;   /* context, plural: "" when there is none */
    int n;                               /* forms that are given */
    const char *form[CR_PO_FORMS_MAX];   /* "" : not translated */
} cr_po_entry;

/* Calls each for every entry in its order; the texts live during the call. The header is the entry with the id "". All entries are given, also those that
 * cr_po_is_translated refuses. What each returns ends the reading when it is a failure. */
typedef cr_status (*cr_po_each)(void *user, const cr_po_entry *entry, cr_err *err);
cr_status cr_po_read(const char *text, size_t n, cr_po_each each, void *user, cr_err *err) CR_MUST_USE;
bool cr_po_is_translated(const cr_po_entry *entry);

/* A header's line NAME: VALUE; copies the value, "" when there is none. */
void cr_po_header(const char *header, const char *name, char *buf, size_t size);

#endif
