/* Packet rules in a neutral form: what nftables and pf can both be read as.
 *
 * A LwRuleset is one table: named sets and maps, and chains. A base chain hangs on a hook and has a policy;
 * its rules are tried in order, first match decides ("quick", in pf's words; pf's last-match rules are turned
 * round by its translator). A rule is a list of matches (all must hold) and then a list of actions; it may
 * end in a verdict, or go on to the next rule. `unknown` holds the text of something that a translator did
 * not understand: whoever reasons about the rules must take it in the safe direction and name it.
 */
#pragma once

#include "base/addr.h"
#include "model/model.h"

#include <glib.h>

typedef enum {
  LW_FIELD_IIF, /* interface name */
  LW_FIELD_OIF,
  LW_FIELD_SADDR, /* IPv4 */
  LW_FIELD_DADDR,
  LW_FIELD_SADDR6,
  LW_FIELD_DADDR6,
  LW_FIELD_PROTO, /* l4 protocol number */
  LW_FIELD_SPORT, /* of tcp or udp */
  LW_FIELD_DPORT,
  LW_FIELD_ICMP_TYPE,
  LW_FIELD_CT_STATE,     /* bits: LwCtState */
  LW_FIELD_CT_DIRECTION, /* 0 original, 1 reply */
  LW_FIELD_CT_DNAT,      /* no value: the flow was destination-translated */
  LW_FIELD_CT_MARK,
  LW_FIELD_MARK,
  LW_FIELD_NFPROTO,  /* 2 ipv4, 10 ipv6 */
  LW_FIELD_ETH_SRC,  /* MAC */
  LW_FIELD_ETH_TYPE, /* number */
  LW_FIELD_ARP_IP,   /* arp sender's address */
  LW_FIELD_ARP_MAC,  /* arp sender's MAC */
  LW_FIELD_TCP_SYN,  /* 1: SYN alone of fin,syn,rst,ack; 0: anything else of TCP */
  LW_FIELD_TCP_RST,  /* 1: RST is set; 0: it is not */
  LW_FIELD_IBRIDGE,  /* the bridge of the ingress port; not on every kernel (LwFacts.bridge_meta) */
  LW_FIELD_LAST
} LwField;

typedef enum {
  LW_CT_INVALID = 1,
  LW_CT_ESTABLISHED = 2,
  LW_CT_RELATED = 4,
  LW_CT_NEW = 8,
} LwCtState;

typedef enum { LW_VALUE_NAME, LW_VALUE_PREFIX, LW_VALUE_RANGE, LW_VALUE_NUMBER, LW_VALUE_MAC } LwValueKind;

typedef struct {
  LwValueKind kind;
  char *name; /* LW_VALUE_NAME: an interface; "foo*" is a prefix match */
  LwPrefix prefix;
  LwRange range;
  guint32 first, last; /* LW_VALUE_NUMBER: inclusive; first == last for one */
  LwMac mac;
} LwValue;

typedef enum {
  LW_VERDICT_NONE,
  LW_VERDICT_ACCEPT,
  LW_VERDICT_DROP,
  LW_VERDICT_JUMP,
  LW_VERDICT_GOTO,
  LW_VERDICT_RETURN
} LwVerdictKind;

typedef struct {
  LwVerdictKind kind;
  char *chain; /* jump, goto */
} LwVerdict;

typedef enum { LW_SET_PLAIN, LW_SET_MAP, LW_SET_VMAP } LwSetKind;

typedef struct {
  GArray *key;       /* of LwValue, one a field of the set */
  LwValue data;      /* LW_SET_MAP */
  LwValue data_port; /* with a map of two data fields (DNAT to address . port) */
  LwVerdict verdict; /* LW_SET_VMAP */
  LwOrigin origin;
} LwElement;

typedef struct {
  char *name;
  LwSetKind kind;
  GArray *fields; /* of LwField: the key */
  LwField data;   /* LW_SET_MAP: the type of the data, e.g. LW_FIELD_MARK, LW_FIELD_DADDR, LW_FIELD_DPORT */
  gboolean data_with_port; /* data is address . port */
  gboolean interval;
  GPtrArray *elements; /* of LwElement* */
  gboolean runtime;    /* elements are changed by the running system: not compared as drift */
} LwSet;

typedef struct {
  GArray *fields; /* of LwField; more than one only with `set` */
  gboolean negate;
  GArray *values; /* of LwValue: any of them (one field) */
  char *set;      /* or: member of this set */
} LwMatch;

typedef enum {
  LW_ACTION_COUNT,
  LW_ACTION_LOG,          /* text: prefix; number: nflog group */
  LW_ACTION_VERDICT,      /* verdict */
  LW_ACTION_VMAP,         /* fields looked up in set; no entry: next rule */
  LW_ACTION_REJECT_TCP,   /* TCP reset */
  LW_ACTION_REJECT,       /* ICMP administratively prohibited */
  LW_ACTION_SET_MARK,     /* number, or fields looked up in set (no entry: the rule ends, next one) */
  LW_ACTION_MARK_FROM_CT, /* meta mark := ct mark */
  LW_ACTION_CT_FROM_MARK, /* ct mark := meta mark */
  LW_ACTION_SET_CT_MARK,  /* number, or map */
  LW_ACTION_DNAT,         /* fields looked up in map `set` -> address, or address . port */
  LW_ACTION_REDIRECT,     /* to a local port: number, or fields looked up in map `set` */
  LW_ACTION_MASQUERADE,
  LW_ACTION_CLAMP_MSS, /* number: bytes; of packets with SYN (with or without ACK), never raised */
  LW_ACTION_LIMIT,     /* number: packets a second; the rest falls through */
} LwActionKind;

typedef struct {
  LwActionKind kind;
  guint32 number;
  char *text;
  GArray *fields; /* of LwField */
  char *set;
  LwVerdict verdict;
} LwAction;

typedef struct {
  GPtrArray *matches; /* of LwMatch* */
  GPtrArray *actions; /* of LwAction* */
  char *unknown;      /* nullable */
  LwOrigin origin;    /* the line of the spec it comes from */
  char *comment;      /* nullable; carried into the table, at most 100 bytes */
} LwRule;

typedef enum {
  LW_HOOK_NONE,
  LW_HOOK_PREROUTING,
  LW_HOOK_INPUT,
  LW_HOOK_FORWARD,
  LW_HOOK_OUTPUT,
  LW_HOOK_POSTROUTING
} LwHook;

typedef struct {
  char *name;
  LwHook hook; /* NONE: reached by jumps alone */
  gboolean nat;
  int priority;
  gboolean drop;    /* policy */
  GPtrArray *rules; /* of LwRule* */
} LwChain;

typedef enum { LW_FAMILY_INET, LW_FAMILY_BRIDGE } LwFamily;

typedef struct {
  LwFamily family;
  char *name;
  GPtrArray *sets;   /* of LwSet* */
  GPtrArray *chains; /* of LwChain* */
} LwRuleset;

LwRuleset *lw_ruleset_new(LwFamily family, const char *name);
LwRuleset *lw_ruleset_ref(LwRuleset *ruleset);
void lw_ruleset_unref(LwRuleset *ruleset);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwRuleset, lw_ruleset_unref)

LwSet *lw_ruleset_add_set(LwRuleset *ruleset, LwSetKind kind, const char *name, gboolean interval,
                          ... /* LwField, ends in LW_FIELD_LAST */);
LwSet *lw_ruleset_find_set(const LwRuleset *ruleset, const char *name);
LwChain *lw_ruleset_add_base_chain(LwRuleset *ruleset, const char *name, LwHook hook, int priority,
                                   gboolean nat, gboolean drop);
LwChain *lw_ruleset_add_chain(LwRuleset *ruleset, const char *name);
LwChain *lw_ruleset_find_chain(const LwRuleset *ruleset, const char *name);

/* Values. */
LwValue lw_value_name(const char *name);
LwValue lw_value_prefix(LwPrefix prefix);
LwValue lw_value_addr(LwAddr addr);
LwValue lw_value_range(LwRange range);
LwValue lw_value_number(guint32 number);
LwValue lw_value_numbers(guint32 first, guint32 last);
LwValue lw_value_mac(LwMac mac);

/* Elements: takes the values (count = the set's fields). An element whose key is there already is not added
 * again; returns the element. */
LwElement *lw_set_add(LwSet *set, const LwValue *key, guint count, LwOrigin origin);

/* Rules: each returns the rule, to be chained. */
LwRule *lw_chain_add_rule(LwChain *chain, LwOrigin origin, const char *comment /* nullable */);
LwRule *lw_rule_match(LwRule *rule, LwField field, LwValue value);
LwRule *lw_rule_match_not(LwRule *rule, LwField field, LwValue value);
LwRule *lw_rule_match_set(LwRule *rule, const char *set, gboolean negate, ... /* LwField, LW_FIELD_LAST */);
LwAction *lw_rule_add_action(LwRule *rule, LwActionKind kind);
LwRule *lw_rule_verdict(LwRule *rule, LwVerdictKind kind, const char *chain /* nullable */);
LwRule *lw_rule_lookup(LwRule *rule, LwActionKind kind, const char *set, ... /* LwField, LW_FIELD_LAST */);

gboolean lw_ruleset_equal(const LwRuleset *a, const LwRuleset *b); /* order of elements does not matter */
gboolean lw_ruleset_equal_but_elements(const LwRuleset *a, const LwRuleset *b);

const char *lw_field_name(LwField field);
