/* An OPNsense as the router of the lab on this machine: what is asked of it by its API, what of it is wanted,
 * and what takes its place in a proof. Of a lab with the builtin router all of these do nothing. */
#pragma once

#include "cmd/session.h"
#include "providers/opnsense/lease.h"

/* What the router said of itself, at the beginning of a command. Counted, since sessions share it. */
struct LwRouterSeen {
  guint refs;
  char *url, *version; /* version: nullable, when it was not reached */
  gboolean known;      /* lanward knows that version, and may change it */
  char *config;        /* the config.xml with its secrets; NULL: it was not reached */
  LwOpnLease wan;      /* unset: WAN has a fixed address, or see assumed */
  char *assumed;       /* why an address is taken for WAN's that it was not asked for; nullable */
  char *trouble;       /* why not; nullable */
};

/* What comes of it with the lab's file. */
struct LwRouterPlan {
  GPtrArray *goes, *stays, *idle; /* of char*: rules that are taken out; that stay and are asked before; that
                                     do nothing then, because of those that stay or among them */
  GPtrArray *by_hand;             /* of char*: what no API changes, each with the steps */
  GPtrArray *notes;               /* of char*: what the router will not do that the file asks for */
  char *only_read;                /* why nothing of it is written; NULL: it is */
  gboolean restart;               /* a config.xml has to be restored first */
  char *made, *merged; /* config.xml: the lab's alone, and put into the one that is there; with secrets */
  LwResourceSet *gone; /* items that are to be deleted, whoever made them */
};

LwProvider *lw_router_provider(GPtrArray *providers);
gboolean lw_router_is_opnsense(const LwSession *session);

/* Before a session's lab is known: what an earlier command left to be undone there; at boot nothing is asked.
 */
void lw_router_at_boot(LwProvider *provider);
gboolean lw_router_settle(LwProvider *provider, GError **error);
gboolean lw_router_waits(void); /* something is still to be undone there */

/* Version and config.xml. A router that does not answer is an error to verbs that change something or prove
 * it; to the others it is told (seen->trouble). seen: links and addresses of this machine. */
gboolean lw_router_learn(LwSession *session, const LwResourceSet *seen, GError **error);
void lw_router_seen_unref(LwRouterSeen *seen);
void lw_router_plan_free(LwRouterPlan *plan);

/* Whether its API answers, its DHCP server runs and its tunnels are up; FALSE and why not. The file names its
 * API and the key. */
gboolean lw_router_is_ready(const LwSession *session, GError **error);

/* Adds the router's items to what is wanted: as observed ones where nothing is to be written. */
gboolean lw_router_add_items(LwSession *session, LwResourceSet *wanted, GError **error);
/* FALSE and error, where nothing of the router is written: for verbs that are about the router. */
gboolean lw_router_writes(LwSession *session, GError **error);
/* Saves the config.xml as it is, when the plan changes the router, and tells where; writes the one that has
 * to be restored, when one has to be. */
gboolean lw_router_save(const LwSession *session, const LwPlan *plan, GError **error);
/* What a plan should say of the router, line by line. */
GPtrArray *lw_router_lines(const LwSession *session);
JsonObject *lw_router_json(const LwSession *session);

/* This machine's resources with the router as a config.xml makes it. missing (nullable): of char*, legs that
 * it has not. Transfer full; NULL and error. */
LwResourceSet *lw_router_world(const LwSession *session, const LwResourceSet *here, const char *config,
                               GPtrArray *missing, GError **error);
/* The same with the config.xml that a state of a plan comes to. */
LwResourceSet *lw_router_world_after(const LwSession *session, const LwResourceSet *here, const LwPlan *plan,
                                     guint steps, guint changes, GError **error);
/* How many requests the step's changes of the router take: that many states less one lie within it. */
guint lw_router_changes_in(const LwPlan *plan, guint step);
