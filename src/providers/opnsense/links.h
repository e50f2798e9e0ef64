/* What an OPNsense knows at run time and its config.xml does not say: addresses and gateways by lease.
 *
 * With a config.xml alone these are stand-ins: an address of a documentation prefix (RFC 5737, RFC 3849)
 * takes the place of what a lease would give. Whoever shows one to a person says that it is a stand-in.
 */
#pragma once

#include "providers/opnsense/config.h"

typedef struct {
  const LwOpnInterface *interface;
  LwPrefix address4, address6; /* not set: none */
  gboolean stand_in4, stand_in6;
  LwAddr gateway4, gateway6; /* learned by lease or router advertisement; not set: none */
} LwOpnLink;

typedef struct {
  GArray *links; /* of LwOpnLink: one for each enabled interface, in the file's order */
} LwOpnLinks;

static inline const LwPrefix *lw_opn_link_address(const LwOpnLink *link, guint8 family) {
  return family == 6 ? &link->address6 : &link->address4;
}

/* By the file alone. opn must outlive the result. */
LwOpnLinks *lw_opn_links_guess(const LwOpn *opn);
void lw_opn_links_free(LwOpnLinks *links);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwOpnLinks, lw_opn_links_free)

/* The first that has a stand-in for a leased IPv4 address: WAN. NULL: none. */
LwOpnLink *lw_opn_links_leased(const LwOpnLinks *links);
LwOpnLink *lw_opn_link(const LwOpnLinks *links, const char *key);              /* NULL: none */
LwOpnLink *lw_opn_link_of_device(const LwOpnLinks *links, const char *device); /* NULL: none */
