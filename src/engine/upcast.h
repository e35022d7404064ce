/* Versions of message types: reading what was recorded in an older one. */
#ifndef EDDA_ENGINE_UPCAST_H
#define EDDA_ENGINE_UPCAST_H

#include "base/arena.h"
#include "edda/type.h"

/* The version that a type has now, 1 and up. */
uint32_t type_version(const struct edda_type *type);

/*
 * Decodes a message as it was recorded, in `version` (0 is as good as 1), into a struct of the type as it is now. Texts may borrow `json`.
 * EDDA_EUNSUPPORTED when the version is newer than the type (the message names both), EDDA_EMALFORMED, EDDA_EINVAL as json_decode(), EDDA_ENOMEM.
 */
int message_decode(const struct edda_type *type, uint32_t version, struct slice json, struct arena *arena, void *ret_value,
                   struct edda_error *error);

/* Fills *ret_value from a struct of an older version, which must be in the type's table. EDDA_ENOMEM. */
int message_lift(const struct edda_type *type, uint32_t version, const void *older, struct arena *arena, void *ret_value,
                 struct edda_error *error);

#endif
