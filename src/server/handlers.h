/* What answers the routes that the application did not write itself. */
#ifndef EDDA_SERVER_HANDLERS_H
#define EDDA_SERVER_HANDLERS_H

#include "edda/http.h"

/* body.c: runs the body, which is a command. */
edda_route_fn command_call;
/* view.c */
edda_route_fn view_page, view_item;
/* deadlines.c */
edda_route_fn deadlines_list, deadline_move, deadline_cancel;
/* services.c */
edda_route_fn services_list, service_pause, service_resume, service_migrate;
/* quarantine.c */
edda_route_fn quarantine_list, quarantine_retry, quarantine_skip;
/* projections.c */
edda_route_fn projections_list, projection_rebuild;
/* traces.c */
edda_route_fn trace_show, trace_draw;
/* streams.c, topics.c */
edda_route_fn stream_append, stream_read, stream_event_read, stream_delete, stream_truncate, everything_read;
edda_route_fn topics_list, topic_create, topic_read, topic_append, topic_alter, topic_delete;
/* groups.c */
edda_route_fn group_poll, group_ack, group_nack, group_park, group_show, groups_list, group_parked, group_retry, group_discard;
/* health.c, metrics.c, openapi.c, asyncapi.c */
edda_route_fn health_show, metrics_show, openapi_show, asyncapi_show;

#endif
