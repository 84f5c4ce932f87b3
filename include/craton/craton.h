/* craton.h - everything libcraton installs, in one include. */
#ifndef CRATON_CRATON_H
#define CRATON_CRATON_H

#include "craton/error.h"
#include "craton/dtype.h"
#include "craton/context.h"
#include "craton/array.h"
#include "craton/along.h"
#include "craton/quantile.h"
#include "craton/file.h"
#include "craton/rechunk.h"
#include "craton/cf.h"
#include "craton/dataset.h"
#include "craton/regrid.h"
#include "craton/serialize.h"
#include "craton/part.h"

#endif
