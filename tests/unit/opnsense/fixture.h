/* Config files for the tests: those of tests/fixtures/opnsense, and small ones made of a few words. */
#pragma once

#include "providers/opnsense/pf.h"

char *fixture_text(const char *name, gsize *length /* nullable */); /* transfer full */
LwOpn *fixture_parse(const char *name);
/* <opnsense>inner</opnsense>. */
LwOpn *fixture_parse_text(const char *inner);
/* More elements for the router below; NULL: none. */
typedef struct {
  const char *system, *interfaces, *rules; /* rules: of the old page */
  const char *mvc;                         /* in <OPNsense> */
  const char *more;                        /* in <opnsense> */
} FixtureParts;

/* A router with WAN by DHCP, LAN 192.168.99.1/24 (management), A 10.1.0.1/24 (opt1), B 10.2.0.1/24 (opt2) and
 * the tunnel TUN (opt3, wg0, gateway TUN_GW 10.64.0.1); web page on LAN only, no SSH, IPv6 off. */
LwOpn *fixture_router(const FixtureParts *parts);
/* One rule of the old page. ends: what is in <source> and <destination>; extra: more elements. Transfer full.
 */
char *fixture_rule(const char *type, const char *interface, const char *source, const char *destination,
                   const char *extra, const char *descr);
