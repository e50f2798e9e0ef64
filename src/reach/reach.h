/* Who can reach whom, computed from resources: links, addresses, routes, rules and packet filters of all
 * namespaces, whether wanted (policy) or read back from a kernel. Pure: no I/O.
 *
 * A run starts with a set of packets at one place and follows them as the kernel would: bridge ports and the
 * bridge family's chains, prerouting, routing rules and tables, forward or input, postrouting, out by a link
 * and in at its other end, until they are delivered to a namespace's own sockets or leave by a link whose
 * other end is not part of what is looked at. All of a set is followed at once, exactly: an arrival is the
 * set of packets, as they were sent, that get there.
 *
 * What is not known is taken in one of two directions, and named (lw_reach_unknowns): MAY gives all that
 * could arrive, MUST what arrives in any case. Without anything unknown both are the same. docs/proof.md has
 * the model's assumptions.
 */
#pragma once

#include "flow/packets.h"
#include "resource/resource.h"

typedef struct LwReach LwReach;

/* world: is kept, and must not change but as lw_reach_element_changed() is told. inside: names of the
 * namespaces to look into, NULL-terminated ("" the host's); a link that leads elsewhere is an end. */
LwReach *lw_reach_new(LwMddPool *pool, const LwResourceSet *world, const char *const *inside);
void lw_reach_free(LwReach *reach);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwReach, lw_reach_free)

typedef enum {
  LW_START_FRAME,   /* comes in by a link from outside, its frame addressed at will */
  LW_START_ROUTED,  /* the same by a bridge's port, addressed to whoever of the inside has a port there (its
                       gateway) */
  LW_START_BRIDGED, /* the same by a bridge's port, addressed to the bridge itself alone */
  LW_START_LOCAL,   /* is sent by the namespace's own sockets; `link` unused */
} LwStartKind;

typedef struct {
  LwStartKind kind;
  const char *ns;
  const char *link; /* a bridge's port: it comes in at the bridge */
} LwStart;

typedef enum { LW_REACH_MAY, LW_REACH_MUST } LwApproximation;

/* As lw_mdd_scratch_begin() and _end(), for runs in between whose sets are not needed further: what all runs
 * share is kept all the same. A link is lost, an element is told of, outside of the two. */
void lw_reach_scratch_begin(LwReach *reach);
void lw_reach_scratch_end(LwReach *reach, LwMdd *const *keep, guint count);

/* What was written into the packets on the way; unset: as they were sent. */
typedef struct {
  LwAddr source, destination;
  guint16 sport, dport;
  gboolean has_sport, has_dport;
  gboolean source_unknown; /* translated, to an address that is not among the resources */
} LwRewrite;

typedef struct {
  const char *ns;
  const char *link; /* NULL: delivered to the namespace itself; else they left by this link */
  LwRewrite rewrite;
  LwMdd packets; /* as they were sent */
} LwArrival;

/* ct_state: one LwCtState that the packets have wherever they come by (a flow's first packet: LW_CT_NEW).
 * Of LwArrival*, freeing; each place and rewrite once, none empty. */
GPtrArray *lw_reach_from(LwReach *reach, const LwStart *start, LwMdd packets, LwCtState ct_state,
                         LwApproximation approximation);

/* The same, and by which namespaces the packets came, for lw_reach_answer(). passages: transfer full. */
typedef struct LwPassages LwPassages;
GPtrArray *lw_reach_from_recorded(LwReach *reach, const LwStart *start, LwMdd packets, LwCtState ct_state,
                                  LwApproximation approximation, LwPassages **passages);
void lw_passages_free(LwPassages *passages);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwPassages, lw_passages_free)

/* What runs looked at: all that they depend on. Good as long as the world that it was noted in. */
typedef struct LwLooked LwLooked;
LwLooked *lw_looked_new(void);
void lw_looked_free(LwLooked *looked);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwLooked, lw_looked_free)
/* Runs note there from now on; NULL: nowhere. A lost link, or an element that was told of, is not noted. */
void lw_reach_watch(LwReach *reach, LwLooked *looked);

/* Two worlds, of one pool and with the same insides, of which the second came out of the first by changes
 * that made new resources: what was not changed is the same object in both. Both are borrowed. */
typedef struct LwWorlds LwWorlds;
LwWorlds *lw_worlds_compare(LwReach *before, LwReach *after);
void lw_worlds_free(LwWorlds *worlds);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwWorlds, lw_worlds_free)
/* TRUE: a run that looked at this in the first world brings no more to any place in the second: the two are
 * the same in all that it depends on, but for filters that came to the rules. FALSE: that is not known. */
gboolean lw_looked_at_most(const LwLooked *looked, const LwWorlds *worlds);

/* A link that is lost for as long as it says: routes by it are gone, nothing comes in or goes out by it. For
 * states that are not now and must hold too. FALSE: there is no such link, or it was down already. */
gboolean lw_reach_lose_link(LwReach *reach, const char *ns, const char *link, gboolean lost);

/* As lw_reach_from(), MAY; unrefused: of what some namespace would have forwarded, what no route of a table
 * refuses there: it is led somewhere, or left to a routing rule that refuses all, or to nobody. Not filtered.
 */
GPtrArray *lw_reach_unrefused(LwReach *reach, const LwStart *start, LwMdd packets, LwMdd *unrefused);

/* One thing that happened to a packet. */
typedef enum {
  LW_STEP_ENTERS, /* comes in by `link` */
  LW_STEP_RULE,   /* a rule decided or changed something: `rule` of `chain`, `does` */
  LW_STEP_POLICY, /* no rule did: the chain's policy */
  LW_STEP_ROUTE,  /* goes on by `link`, or is refused (link NULL), by `text` */
  LW_STEP_LEAVES, /* by `link`, out of what is looked at */
  LW_STEP_DELIVERED,
  LW_STEP_STOPPED, /* for another reason: `text` */
} LwStepKind;

typedef struct {
  LwStepKind kind;
  const char *ns, *link;    /* borrowed from the world */
  const LwRuleset *ruleset; /* RULE, POLICY; borrowed */
  const LwChain *chain;
  const LwRule *rule;
  const LwElement *element; /* of the set that decided; nullable */
  LwVerdictKind verdict;    /* ACCEPT, DROP; NONE: something was changed */
  char *text;               /* nullable: what, in words */
} LwStep;

/* The way of one packet, in order; where a bridge hands it to several ports, one after the other. through:
 * what drops it is told, and then it goes on as if it had not, so that everything in its way is found. Of
 * LwStep*, freeing; borrows from the world. */
GPtrArray *lw_reach_trace(LwReach *reach, const LwStart *start, const LwHeader *header, LwCtState ct_state,
                          gboolean through);

/* Does an answer to that packet, one of the arrival of that number, come back? One packet, sent from there
 * with addresses and ports turned round, taken back through the namespaces that it came by, as an answer of
 * an established flow; what bridges say of it is not asked. steps: what it met, of LwStep*, transfer full;
 * NULL when it comes back. */
gboolean lw_reach_answer(LwReach *reach, const LwPassages *passages, guint arrival, const LwHeader *header,
                         GPtrArray **steps);

/* Texts of what was met and not understood so far: a set of char*, borrowed. */
GHashTable *lw_reach_unknowns(const LwReach *reach);
LwMddPool *lw_reach_pool(const LwReach *reach);

/* An element was added to a set of one of the world's rulesets (call it after that), or is about to be
 * removed (call it before): what was remembered of it is forgotten, and the next lw_reach_from() is as good
 * as with a new LwReach. Which runs can come out differently is the caller's to know: those that come by the
 * links that the element names, or all. */
void lw_reach_element_changed(LwReach *reach, const LwRuleset *ruleset, const LwSet *set, LwElement *element,
                              gboolean added);
/* Packets, as they were sent, that the element can make a difference to: the others go as they did. Only what
 * no translation on their way changes is told (the source, the protocol), so it is for packets that come in
 * where the set is. */
LwMdd lw_reach_element_scope(LwReach *reach, const LwSet *set, const LwElement *element);
