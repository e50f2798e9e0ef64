/* Messages of a dump as whatever resource says most of them. Pure; beside translate.h, which reads only what
 * a resource can say in full. */
#pragma once

#include "providers/kernel/translate.h"

/* A link: the resource without its name's namespace, peer and master's name; NULL for another message. */
typedef struct {
  LwLinkInfo info;
  char *unknown;       /* nullable */
  guint32 v4_conf[40]; /* by IPV4_DEVCONF_… (from 1), where `v4_count` reaches */
  guint32 v6_conf[64]; /* by DEVCONF_… (from 0) */
  guint v4_count, v6_count;
  gboolean shows4, shows6; /* of a bridge: it shows its frames to the IP tables, by its own setting */
} LwWorldLink;

LwWorldLink *lw_world_read_link(const struct nlmsghdr *nlh); /* nullable, transfer full */
void lw_world_link_free(LwWorldLink *link);

/* A route for each of its next hops, `link` unset; indexes go into *oifs (of int, one a route). Adds nothing
 * for another message, or a cached route. */
void lw_world_read_route(const struct nlmsghdr *nlh, const char *ns, GPtrArray *routes, GArray *oifs);

LwResource *lw_world_read_rule(const struct nlmsghdr *nlh, const char *ns); /* nullable */

/* The settings that decide about packets, of one link: "net/ipv4/conf/%s/NAME" and its value. Of LwResource*.
 */
void lw_world_link_settings(const LwWorldLink *link, const char *ns, GPtrArray *settings);
