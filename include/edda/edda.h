/* edda/edda.h: everything an application needs. Each part is a document of its own. */
#ifndef EDDA_H
#define EDDA_H

#include "edda/app.h"
#include "edda/effect.h"
#include "edda/error.h"
#include "edda/http.h"
#include "edda/projection.h"
#include "edda/remote.h"
#include "edda/service.h"
#include "edda/simulate.h"
#include "edda/store.h"
#include "edda/test.h"
#include "edda/type.h"

#endif
