/* reference: pages of docs/reference/ that are written from the tables of this layer, as Markdown. */
#ifndef EDDA_SERVER_REFERENCE_H
#define EDDA_SERVER_REFERENCE_H

#include "base/buffer.h"

void limits_document(struct buffer *out); /* a section of docs/operating/limits.md */
void metrics_document(struct buffer *out);
void routes_document(struct buffer *out);

#endif
