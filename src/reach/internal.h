/* Between the halves of src/reach: world.c indexes resources, match.c turns matches into sets, chain.c walks
 * rules, route.c looks up routes, walk.c follows packets. */
#pragma once

#include "reach/reach.h"

#include <string.h>

#define LW_NO_LINK 0u /* link numbers start at 1; 0 is never one of LW_HEADER_OIF's values */

typedef struct Ns Ns;

typedef struct {
  guint number;
  Ns *ns;
  const char *name;
  const LwResource *resource; /* LINK or TUNNEL */
  gboolean is_bridge, up, isolated;
  gboolean forward4; /* what comes in by it is routed on */
  gboolean v6;       /* IPv6 is on, or it is not known that it is off */
  guint master;      /* bridge it is a port of; LW_NO_LINK */
  LwMdd bridged;     /* of a bridge: as the namespace's */
  GArray *ports;     /* of guint: of a bridge */
  LwAddr address;    /* its first IPv4 address; unset: none */
  LwAddr address6;   /* its first IPv6 address that is good beyond the link */
  guint way_back; /* of IPv4: 1: a source must be routed back by this link, 2: by any; 0: it is not asked */
  gboolean accept_local; /* takes IPv4 packets from its own addresses */
  LwMdd broadcast;       /* destinations: those of its own networks */
  const char *peer_ns, *peer;
} Link;

/* One base chain on a hook. */
typedef struct {
  const LwRuleset *ruleset;
  const LwChain *chain;
} Hooked;

typedef struct {
  LwAddr via;
  gboolean elsewhere; /* by a gateway whose address is not known */
  LwMdd set;          /* over the destination */
  gboolean is_default;
} Piece;

typedef struct {
  GHashTable *by_oif; /* link number -> GArray of Piece */
  GHashTable *led_by; /* 2 * link number, + 1 without default routes -> LwMdd: those pieces' sets in one */
  LwMdd ways;         /* destinations and the links that they are led to */
  LwMdd matched;      /* by anything, a refusal (prohibit, blackhole) included */
  LwMdd matched_more; /* by anything but a default route */
  LwMdd led;          /* by what leads somewhere */
} Table;

typedef struct {
  guint32 priority, table, mark, mask;
  const char *iif;
  gboolean refuse, suppress_default, for_output; /* for_output: needs an oif that only bound sockets have */
  gboolean unsure;                               /* it depends on something that is not looked at */
  LwMdd selected;                                /* by family, source and destination */
} Lookup;

#define HOOKS (LW_HOOK_EGRESS + 1)

struct Ns {
  const char *name;
  GPtrArray *links;         /* of Link*; number - 1 is the index */
  GHashTable *link_by_name; /* name -> Link* */
  GPtrArray *rulesets;      /* of LwRuleset*, ref held */
  GArray *hooks[HOOKS];     /* of Hooked, IP families, by priority */
  GArray *bridge_hooks[HOOKS];
  GPtrArray *routes;         /* of const LwResource*, ROUTE (and DHCP_CLIENT that brings one) */
  GHashTable *tables;        /* number -> Table* */
  GArray *lookups;           /* of Lookup, by priority */
  gboolean by_iif;           /* some lookup looks at the iif */
  LwMdd local;               /* destinations that are this namespace's own, whatever link they come in by */
  LwMdd owned;               /* the addresses it answers for on a wire */
  LwMdd owned_source;        /* the same as sources */
  LwMdd broadcasts;          /* destinations that routing surely calls broadcast */
  LwMdd martian_destination; /* destinations that no packet from a wire may have */
  LwMdd martian;             /* sources that no packet from a wire may have */
  gboolean forward6;
  gboolean tracked4, tracked6; /* some rule needs connection tracking: it runs, for that family */
  LwMdd bridged;               /* families that br_netfilter shows the IP tables on bridges too */
  GHashTable *sysctls;         /* name -> value */
};

/* What is the same for all packets of a branch. */
typedef struct {
  guint32 mark, ct_mark;
  gboolean mark_unknown, ct_mark_unknown;
  guint32 ct_state; /* one LwCtState */
  gboolean dnat, snat;
  gboolean dnat_settled, snat_settled; /* a rule has decided about it, were it to leave all as it is */
  gboolean own_mac; /* the frame was made by a namespace that was looked into: not the sender's MAC */
  LwRewrite rewrite;
  gboolean reply;  /* an answer: the direction of connection tracking */
  gboolean routed; /* a rule said where it goes (route-to): by this link, LW_NO_LINK: one that is not there */
  guint route_to;
  LwAddr route_via;
  gboolean replies; /* a rule said where its answers go (reply-to) */
  guint reply_to;
  guint hop;       /* of a recorded run: where it came by last */
  LwRewrite entry; /* what had been written when it came into this namespace */
} State;

typedef struct {
  LwMdd set;
  State state;
} Branch;

static inline gboolean rewrite_equal(const LwRewrite *a, const LwRewrite *b) {
  return lw_addr_equal(&a->source, &b->source) && lw_addr_equal(&a->destination, &b->destination) &&
         a->has_sport == b->has_sport && a->has_dport == b->has_dport && a->sport == b->sport &&
         a->dport == b->dport && a->source_unknown == b->source_unknown;
}

/* Where a chain is walked. */
typedef struct {
  LwReach *reach;
  Ns *ns;
  const LwRuleset *ruleset;
  LwHook hook;
  gboolean bridge_family;
  guint iif;     /* LW_NO_LINK: none (sent locally) */
  guint ibridge; /* bridge family: the ingress port's bridge */
  guint oif;     /* LW_NO_LINK: not decided, then it is in the sets */
  /* IP families, what br_netfilter shows: iif and oif are the bridge then, and these its ports */
  guint iport, oport;
} At;

/* Elements of a set that have a name in one position of the key, and those that have none there; or all. */
typedef struct {
  const LwSet *set;
  guint position; /* LW_ALL_ELEMENTS: all of them */
  char *name;
  const GPtrArray *named, *wild; /* either may be NULL */
} List;

#define LW_ALL_ELEMENTS G_MAXUINT

struct LwLooked {
  GHashTable *namespaces; /* of Ns*: whose rules were asked */
  GHashTable *links;      /* of Link* */
  GHashTable *lists;      /* of List* */
};

struct LwReach {
  LwMddPool *pool;
  const LwResourceSet *world;
  GPtrArray *namespaces; /* of Ns* */
  GHashTable *ns_by_name;
  GHashTable *set_index;     /* LwSet* -> SetIndex* */
  GHashTable *ruleset_index; /* LwRuleset* -> RulesetIndex* */
  GHashTable *decisions;     /* LwChain* -> the first of its rules behind which there are only verdicts */
  GHashTable *matched;       /* LwMatch* -> what it came to, by what it depends on */
  GHashTable *matched_now;   /* the same of all matches, in sets that are scratch */
  GPtrArray *worth_keeping;  /* keys of those of matched_now that would be long in the making again */
  GHashTable *unknowns;      /* of char* */
  GHashTable *lists;         /* of List*, by what they are */
  LwLooked *looked;          /* NULL: nobody wants to know */
  LwApproximation approximation;
  GPtrArray *trace; /* of LwStep*; NULL: not asked for */
  gboolean through; /* of a trace: nothing stops it */
  LwMdd *unrefused; /* NULL: not asked for */
  GArray *gathered; /* parts of the index's sets, while it is made */
};

/* "foo*" stands for all names that begin so. */
static inline gboolean lw_reach_is_wild_name(const char *name) {
  gsize length = strlen(name);
  return length && name[length - 1] == '*';
}

static inline void lw_reach_look_at(LwReach *reach, Link *link) {
  if (reach->looked)
    g_hash_table_add(reach->looked->links, link);
}

/* A match as sets: what it holds for surely, and what it may hold for. */
typedef struct {
  LwMdd must, may;
} Held;

/* world.c */
void lw_reach_index_world(LwReach *reach, const char *const *inside);
void lw_reach_ns_free(gpointer ns);
void lw_reach_hook_rulesets(Ns *ns);
Ns *lw_reach_ns(const LwReach *reach, const char *name);
Link *lw_reach_link(const Ns *ns, const char *name);
static inline Link *lw_reach_link_at(const Ns *ns, guint number) {
  return number == LW_NO_LINK ? NULL : g_ptr_array_index(ns->links, number - 1);
}
gboolean lw_reach_is_member(LwReach *reach, LwMdd set, LwHeaderField field, const LwAddr *addr);

/* match.c */
typedef struct {
  GHashTable *sets, *chains; /* by name */
} RulesetIndex;
const RulesetIndex *lw_reach_ruleset_index(LwReach *reach, const LwRuleset *ruleset);
void lw_reach_ruleset_index_free(gpointer index);
Held lw_reach_match(const At *at, const LwRule *rule, const LwMatch *match, const State *state);
/* The elements of a set that a packet of the branch can be found in, with the packets that are: for maps. The
 * sets are disjoint. */
typedef struct {
  const LwElement *element;
  LwMdd set;
} Found;
GArray *lw_reach_lookup(const At *at, const GArray *fields, const char *set, const State *state,
                        gboolean *unknown /* the set is not known, or a field is not */);
const LwElement *lw_reach_deciding_element(const At *at, const LwRule *rule, const State *state,
                                           LwMdd packet);
GHashTable *lw_reach_matched_new(void);
GHashTable *lw_reach_lists_new(void);
List *lw_reach_list(LwReach *reach, const LwSet *set, guint position, const char *name); /* borrowed */
gboolean lw_reach_lists_equal(const List *a, const List *b);
/* Ends what is scratch, but for `keep` and for what is worth keeping of matches. */
void lw_reach_matches_scratch_end(LwReach *reach, LwMdd *const *keep, guint count);
void lw_reach_note_unknown(LwReach *reach, const char *text);
void lw_reach_set_index_free(gpointer index);

/* chain.c: every base chain of the hook, in order. Takes what goes on out of `in` (of Branch) and returns it:
 * of Branch, transfer full, equal states joined. */
GArray *lw_reach_hook(At *at, const GArray *in);

/* route.c */
typedef struct {
  LwAddr via; /* unset: the destination is on the link */
  gboolean elsewhere;
  LwMdd set;
} Way;
/* A table that is asked, and what comes to it: by family, source and destination. */
typedef struct {
  Table *table;
  gboolean suppresses_default;
  LwMdd open;
} LookedUp;
/* The tables that packets in that state are looked up in: of LookedUp, transfer full. */
GArray *lw_reach_asked(LwReach *reach, Ns *ns, const State *state, guint iif);
/* Their ways out by that link: of Way, transfer full. */
GArray *lw_reach_ways(LwReach *reach, const GArray *asked, guint oif);
/* May packets of the set, their destinations as they are by now, be led out by that link? */
gboolean lw_reach_leads(LwReach *reach, Ns *ns, const State *state, guint iif, guint oif, LwMdd set);
/* Sources that surely have a way back by that link; LW_NO_LINK: by any. None when routing rules say more than
 * the main table does. */
LwMdd lw_reach_sources(LwReach *reach, Ns *ns, guint link);
/* Destinations that no route of a table refuses. */
LwMdd lw_reach_unrefused_destinations(LwReach *reach, Ns *ns, const State *state, guint iif);
/* What refuses a packet that goes nowhere, or "no route leads there". Transfer full. */
/* So that what all runs ask for does not become one's scratch. */
void lw_reach_make_tables(LwReach *reach);
char *lw_reach_refusal(LwReach *reach, Ns *ns, const State *state, guint iif, LwMdd packet);
/* Links that any route of the namespace leads to. Of guint, transfer full. */
GArray *lw_reach_routed_links(LwReach *reach, Ns *ns);
/* Those that a packet of the set may be led to, its destination as it was sent. Of guint, transfer full. */
GArray *lw_reach_leading_links(LwReach *reach, Ns *ns, const State *state, guint iif, LwMdd set);
void lw_reach_tables_free(gpointer table);

/* walk.c */
void lw_reach_step(const At *at, LwStepKind kind, const LwRule *rule, const LwChain *chain,
                   LwVerdictKind verdict, const LwElement *element, char *text /* transfer full, nullable */);
