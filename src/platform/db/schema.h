/* schema.h - the tables of the hub, as numbered migrations. A row, once released, is never changed: a change is a new row. */
#ifndef CR_PLATFORM_DB_SCHEMA_H
#define CR_PLATFORM_DB_SCHEMA_H

#include "platform/db/db.h"

extern const cr_migration cr_schema[];
extern const int cr_schema_len;

#endif
