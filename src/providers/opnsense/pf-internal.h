/* Between the parts of the generator. */
#pragma once

#include "providers/opnsense/pf.h"

/* A rule to be taken apart. Takes nothing; the strings must outlive pf (literals, or kept with lw_pf_keep).
 */
void lw_pf_register(LwPf *pf, guint priority, const LwOpnRule *spec, const char *label);
const char *lw_pf_keep(LwPf *pf, const char *text);
/* The interfaces that are enabled, by description, as the generator walks through them: of LwOpnLink*,
 * freeing. */
GPtrArray *lw_pf_mapping(const LwPf *pf);
/* An address as pf writes it; *usable: FALSE when there is no such thing. */
const char *lw_pf_address(LwPf *pf, const char *text, guint8 family, gboolean negate, gboolean in_filter,
                          gboolean *usable);
const char *lw_pf_port(LwPf *pf, const char *text, gboolean *usable);
/* The gateway that an interface has by lease or is configured with; NULL: none (then it is an inside
 * interface). */
const LwPfGateway *lw_pf_interface_gateway(const LwPf *pf, const LwOpnLink *link, guint8 family);

void lw_pf_add_gateways(LwPf *pf, const char *without);
void lw_pf_add_system(LwPf *pf); /* first half: before dnsmasq and the user's */
void lw_pf_add_dnsmasq(LwPf *pf);
void lw_pf_add_forwarded(LwPf *pf); /* rules that forwards ask for */
void lw_pf_add_nat(LwPf *pf);
