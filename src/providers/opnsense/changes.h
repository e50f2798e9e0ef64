/* What the API has to change so that a running OPNsense becomes another config.xml of lanward's: a pure
 * difference.
 *
 * Items are told apart by their UUIDs, which are derived from names: an exit that is switched, a reservation,
 * a forward are a few fields of a few items. What no API can change (an interface's address, the web page's
 * and SSH's settings) is named instead.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

typedef struct {
  const char
      *name; /* rule, source-nat, forward, alias, host, range, option, peer, instance, gateway, route */
  const char *container, *item; /* in config.xml: the path of the parent, the element */
  const char *set, *del, *get;  /* "firewall/filter/set_rule" … ; a UUID follows */
  const char *key;              /* the body's */
  const char *apply;            /* what puts it into force */
  gboolean before_rules;        /* rules name it: it is set before them and deleted after */
} LwOpnKind;

typedef struct {
  const LwOpnKind *kind;
  char *uuid, *descr;
  JsonObject *before, *after; /* fields; NULL: not there. source and destination of forwards are objects */
} LwOpnChange;

/* Of LwOpnChange*, in the order in which they are to be made. by_hand: of char*, what must be done another
 * way. Errors (LW_ERROR_SPEC): one of the two is no config.xml. */
GPtrArray *lw_opn_changes(const char *before, const char *after, GPtrArray *by_hand, GError **error);
const LwOpnKind *lw_opn_kind(const char *name); /* NULL: none */
/* The networks whose states must be killed for the changes to hold for flows that are established: of char*.
 * A rule's source, or the network of its interface. */
GPtrArray *lw_opn_touched_networks(const GPtrArray *changes, const char *config);
void lw_opn_change_free(LwOpnChange *change);
