/* All that a kernel says of some network namespaces, whoever made it: links, addresses, routes of all tables,
 * routing rules, and the settings that decide about packets. One dump of each. */
#pragma once

#include "resource/resource.h"

/* Adds to `out` what is in force in `namespaces` (NULL-terminated; "" is ours; each must be there):
 *  - LINK: type, peer (when it is in one of the namespaces; else unset), mac, mtu, master, up, isolated,
 *    group, alias; of one that is neither bridge nor veth also kind_name, and the link below it;
 *  - ADDRESS of both families; ROUTE of all tables and types, one for each next hop; RULE of both families,
 *    those included that each namespace begins with;
 *  - SYSCTL, named as "net/ipv4/conf/LINK/rp_filter": forwarding and filters, of each link and of all, and
 *    what bridges show to the rules of the IP families.
 * What a resource cannot say is in its `unknown`. `instance` tells several of one key apart. */
gboolean lw_kernel_snapshot(const char *const *namespaces, LwResourceSet *out, GError **error);
