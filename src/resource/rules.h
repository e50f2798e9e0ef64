/* Packet rules in a neutral form: what nftables and pf can both be read as.
 *
 * A LwRuleset is one table: named sets and maps, and chains. A base chain hangs on a hook and has a policy;
 * its rules are tried in order, first match decides ("quick", in pf's words; pf's last-match rules are turned
 * round by its translator: the quick ones in order, then the others backwards). A rule is a list of matches
 * (all must hold) and then a list of actions, carried out in order; it may end in a verdict, or go on to the
 * next rule.
 *
 * What a rule means, as the kernel has it:
 * - A match on a field that the packet does not have fails, negated or not: "saddr is not X" is false for
 *   every IPv6 packet, and a rule that matches on TCP's flags is for TCP alone. So the address fields imply
 *   their family, ICMP's type its protocol, ARP's fields and VLAN's the type of the frame. An interface that
 * is not there (the ingress in `output`) is no such field: its name is "".
 * - SPORT and DPORT are the first two 16-bit words of any transport header. Only with a match on PROTO beside
 *   them are they ports: of ICMP they are type, code and checksum. A fragment but the first has neither.
 * - accept ends the table's chain on this hook, not the packet's way: the chains of other tables on the hook
 *   come after it, by priority. drop and reject are final.
 * - A lookup without an entry ends its rule there: what stands behind it is not carried out.
 * - Translating an address ends the chain as accept does; to one of another family than the packet's, it does
 *   nothing and the rule goes on.
 *
 * What a translator does not understand is never left out. It is kept with its text, at the smallest thing
 * that it belongs to: a match (may hold or not), an action (may do anything, be it a verdict, another mark,
 * another address), a rule (both), a set (may hold anything), a table (LwRuleset.unknown). Whoever
 * reasons about the rules must take it in the safe direction and name it.
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
  /* From here on: read from rules that lanward did not write; the provider cannot load them. */
  LW_FIELD_OBRIDGE,
  LW_FIELD_IPORT, /* the bridge port that a bridged packet came in by, seen from the IP families */
  LW_FIELD_OPORT,
  LW_FIELD_BRIDGED, /* 1: it goes from port to port of a bridge; 0: it does not */
  LW_FIELD_ICMP_CODE,
  LW_FIELD_ICMP6_TYPE,
  LW_FIELD_ICMP6_CODE,
  LW_FIELD_TCP_FLAGS, /* LwTcpFlag bits, under the match's mask */
  LW_FIELD_NEXTHDR6,  /* of the IPv6 header itself, extension headers not skipped */
  LW_FIELD_TTL,       /* or the hop limit */
  LW_FIELD_DSCP,
  LW_FIELD_LENGTH,   /* of the packet */
  LW_FIELD_FRAGMENT, /* 1: not the first fragment; 0: the first, or whole */
  LW_FIELD_PKTTYPE,  /* LwPktType */
  LW_FIELD_ETH_DST,
  LW_FIELD_FRAME_TYPE, /* as ETH_TYPE, but of what a VLAN tag is in front of */
  LW_FIELD_VLAN_ID,
  LW_FIELD_ARP_OP,
  LW_FIELD_ARP_TARGET_IP,
  LW_FIELD_ARP_TARGET_MAC,
  LW_FIELD_CT_SNAT,       /* as CT_DNAT, of the source */
  LW_FIELD_CT_ORIG_SADDR, /* of the flow's first packet, before any translation */
  LW_FIELD_CT_ORIG_DADDR,
  LW_FIELD_CT_ORIG_SADDR6,
  LW_FIELD_CT_ORIG_DADDR6,
  LW_FIELD_CT_ORIG_SPORT,
  LW_FIELD_CT_ORIG_DPORT,
  LW_FIELD_SADDR_TYPE, /* what routing says of the source: LwAddrType */
  LW_FIELD_DADDR_TYPE,
  LW_FIELD_SADDR_TYPE_IIF, /* the same, asked of the ingress interface alone */
  LW_FIELD_DADDR_TYPE_IIF,
  LW_FIELD_SADDR_TYPE_OIF,
  LW_FIELD_DADDR_TYPE_OIF,
  LW_FIELD_RPATH,       /* 1: the way back to the source leaves by the ingress interface; 0: it does not */
  LW_FIELD_RPATH_MARK,  /* the same, routed with the packet's mark */
  LW_FIELD_RPATH_LOOSE, /* 1: there is a way back to the source, by any interface */
  LW_FIELD_UNKNOWN,     /* LwMatch.unknown says what: it may hold or not */
  LW_FIELD_LAST
} LwField;

typedef enum {
  LW_TCP_FIN = 1,
  LW_TCP_SYN = 2,
  LW_TCP_RST = 4,
  LW_TCP_PSH = 8,
  LW_TCP_ACK = 16,
  LW_TCP_URG = 32,
  LW_TCP_ECN = 64,
  LW_TCP_CWR = 128,
} LwTcpFlag;

/* Values of PKTTYPE (linux/if_packet.h) and of the address types (linux/rtnetlink.h). */
typedef enum { LW_PKT_HOST, LW_PKT_BROADCAST, LW_PKT_MULTICAST, LW_PKT_OTHER } LwPktType;
typedef enum {
  LW_ADDR_UNSPEC,
  LW_ADDR_UNICAST,
  LW_ADDR_LOCAL,
  LW_ADDR_BROADCAST,
  LW_ADDR_ANYCAST,
  LW_ADDR_MULTICAST,
  LW_ADDR_BLACKHOLE,
  LW_ADDR_UNREACHABLE,
  LW_ADDR_PROHIBIT,
} LwAddrType;

typedef enum {
  LW_CT_INVALID = 1,
  LW_CT_ESTABLISHED = 2,
  LW_CT_RELATED = 4,
  LW_CT_NEW = 8,
  LW_CT_UNTRACKED = 16,
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
  GHashTable *index;   /* of them by key, for lw_set_add(): made anew when its size is not theirs */
  gboolean runtime;    /* elements are changed by the running system: not compared as drift */
  gboolean anonymous;  /* stands in a rule, without a name there; its name here has a "#" */
  char *unknown;       /* nullable: it may hold anything else as well */
} LwSet;

typedef struct {
  GArray *fields; /* of LwField; more than one only with `set` */
  gboolean negate;
  GArray *values; /* of LwValue: any of them (one field) */
  char *set;      /* or: member of this set */
  guint32 mask;   /* of a number: it is compared under this mask; 0: whole. The values are within the mask */
  char *unknown;  /* LW_FIELD_UNKNOWN: its text */
} LwMatch;

typedef enum {
  LW_ACTION_COUNT,
  LW_ACTION_LOG,          /* text: prefix; number: nflog group (0 and LW_LOG_KERNEL: the kernel's log) */
  LW_ACTION_VERDICT,      /* verdict */
  LW_ACTION_VMAP,         /* fields looked up in set; no entry: next rule */
  LW_ACTION_REJECT_TCP,   /* TCP reset */
  LW_ACTION_REJECT,       /* ICMP administratively prohibited; text (nullable): another ICMP error's name */
  LW_ACTION_SET_MARK,     /* number, or fields looked up in set (no entry: the rule ends, next one); of the
                             old mark the bits of `keep` stay, and number is xored in */
  LW_ACTION_MARK_FROM_CT, /* meta mark := ct mark, but for the bits of `keep` */
  LW_ACTION_CT_FROM_MARK, /* ct mark := meta mark, but for the bits of `keep` */
  LW_ACTION_SET_CT_MARK,  /* number, or map; keep as for SET_MARK */
  LW_ACTION_DNAT,       /* fields looked up in map `set` -> address, or address . port; or `to`, `to_port` */
  LW_ACTION_REDIRECT,   /* to a local port: number (0: the same), or fields looked up in map `set`, or to_port
                         */
  LW_ACTION_MASQUERADE, /* to_port (nullable) */
  LW_ACTION_CLAMP_MSS,  /* number: bytes; of packets with SYN (with or without ACK), never raised; 0: to the
                           route's MTU */
  LW_ACTION_LIMIT,      /* number: packets a second; the rest falls through. negate: only what is over it goes
                           on. text (nullable): the limit in full */
  LW_ACTION_SNAT,       /* as DNAT, of the source */
  LW_ACTION_NOTRACK,    /* no flow is kept of it: its ct state is "untracked" */
  LW_ACTION_ROUTE_TO, /* pf: leaves by the interface `text`, next hop `to` (unset: on the link), whatever the
                         routes say and were it sent to this machine itself */
  LW_ACTION_REPLY_TO, /* pf: so do the answers of the flow */
  LW_ACTION_NOTE,     /* text: something that decides nothing about where the packet goes */
  LW_ACTION_UNKNOWN,  /* text: something that may do anything */
} LwActionKind;

#define LW_LOG_KERNEL G_MAXUINT32

typedef struct {
  LwActionKind kind;
  guint32 number;
  guint32 keep;
  gboolean negate;
  char *text;
  GArray *fields; /* of LwField */
  char *set;
  LwVerdict verdict;
  LwValue to, to_port; /* NAT to a fixed address, prefix or range, and port or ports; see lw_value_is_set() */
} LwAction;

typedef struct {
  GPtrArray *matches; /* of LwMatch* */
  GPtrArray *actions; /* of LwAction* */
  char *unknown;      /* nullable: the rule may match and do anything, beside what is in the two lists */
  LwOrigin origin;    /* the line of the spec it comes from */
  char *comment;      /* nullable; carried into the table, at most 100 bytes */
  guint64 handle;     /* of a rule that was read back: the kernel's number of it; 0: none. Not compared */
} LwRule;

typedef enum {
  LW_HOOK_NONE,
  LW_HOOK_PREROUTING,
  LW_HOOK_INPUT,
  LW_HOOK_FORWARD,
  LW_HOOK_OUTPUT,
  LW_HOOK_POSTROUTING,
  LW_HOOK_INGRESS, /* of `devices` */
  LW_HOOK_EGRESS,
} LwHook;

typedef struct {
  char *name;
  LwHook hook; /* NONE: reached by jumps alone */
  gboolean nat;
  gboolean reroute; /* output: a packet whose mark or addresses it changes is routed again */
  int priority;
  gboolean drop;      /* policy */
  GPtrArray *rules;   /* of LwRule* */
  GPtrArray *devices; /* of char*: ingress, egress */
} LwChain;

/* IP and IP6 see one family's packets, INET those of both, NETDEV and ARP are below and beside them. */
typedef enum {
  LW_FAMILY_INET,
  LW_FAMILY_BRIDGE,
  LW_FAMILY_IP,
  LW_FAMILY_IP6,
  LW_FAMILY_ARP,
  LW_FAMILY_NETDEV,
} LwFamily;

typedef struct {
  LwFamily family;
  char *name;
  GPtrArray *sets;    /* of LwSet* */
  GPtrArray *chains;  /* of LwChain* */
  gboolean dormant;   /* it is there, and not in force */
  gboolean stateful;  /* pf: answers of an accepted flow do not come by here; its further packets neither, but
                         they are let through, and go, where a first packet like them is and does: reasoning
                         about an established flow may ask the rules */
  char *mark;         /* nullable: the comment of a table that was read back. Not compared */
  GPtrArray *unknown; /* of char*: what else is in it, and may have a part in anything */
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
gboolean lw_value_is_set(const LwValue *value);
LwValue lw_value_copy(const LwValue *value);
gboolean lw_value_equal(const LwValue *a, const LwValue *b);
void lw_value_clear(LwValue *value);

/* Elements: takes the values (count = the set's fields). An element whose key is there already is not added
 * again; returns the element. */
LwElement *lw_set_add(LwSet *set, const LwValue *key, guint count, LwOrigin origin);

/* An element without a key yet, to be given one value a field; whether it is there already is not asked. */
LwElement *lw_set_append(LwSet *set, LwOrigin origin);

/* Rules: each returns the rule, to be chained. */
LwRule *lw_chain_add_rule(LwChain *chain, LwOrigin origin, const char *comment /* nullable */);
LwRule *lw_rule_match(LwRule *rule, LwField field, LwValue value);
LwRule *lw_rule_match_not(LwRule *rule, LwField field, LwValue value);
LwRule *lw_rule_match_set(LwRule *rule, const char *set, gboolean negate, ... /* LwField, LW_FIELD_LAST */);
LwAction *lw_rule_add_action(LwRule *rule, LwActionKind kind);
LwRule *lw_rule_verdict(LwRule *rule, LwVerdictKind kind, const char *chain /* nullable */);
LwRule *lw_rule_lookup(LwRule *rule, LwActionKind kind, const char *set, ... /* LwField, LW_FIELD_LAST */);
LwMatch *lw_rule_add_match(LwRule *rule); /* without a field */
void lw_rule_copy_matches(LwRule *to, const LwRule *from);
LwMatch *lw_match_copy(LwRule *to, const LwMatch *from);
LwAction *lw_action_copy(LwRule *to, const LwAction *from);
LwElement *lw_element_copy(LwSet *to, const LwElement *from);

gboolean lw_element_equal(const LwElement *a, const LwElement *b); /* its origin aside */
gboolean lw_rule_equal(const LwRule *a, const LwRule *b);
gboolean lw_ruleset_equal(const LwRuleset *a, const LwRuleset *b); /* order of elements does not matter */
gboolean lw_ruleset_equal_but_elements(const LwRuleset *a, const LwRuleset *b);

/* The normal form: two rulesets that mean the same, written by us and listed by a kernel, come to the same.
 * Of each match and of each set of one field the values are sorted and joined; addresses are prefixes where
 * they can be; a set's fields are the first of their type (the kernel knows only that: an interface, an
 * address), its elements sorted; what a match implies is not said beside it. Transfer full. */
LwRuleset *lw_ruleset_normalize(const LwRuleset *ruleset);

/* What differs between a wanted ruleset and the one that is in force, both in any form: the first few
 * differences, a line each; NULL when there are none. Elements of sets that the running system fills do not
 * count. Transfer full. */
char *lw_ruleset_difference(const LwRuleset *wanted, const LwRuleset *seen);

/* Gives rules and elements of `seen` the origins of the same ones of `wanted`: those of equal chains, or
 * that have an equal elsewhere in their chain. Both in normal form. */
void lw_ruleset_adopt_origins(LwRuleset *seen, const LwRuleset *wanted);

const char *lw_field_name(LwField field);
const char *lw_family_name(LwFamily family);
gboolean lw_family_parse(const char *name, LwFamily *out);
const char *lw_hook_name(LwHook hook); /* NONE: "" */

/* For people, and for goldens: one line, without its end. Transfer full. */
char *lw_value_format(LwField field, const LwValue *value);
char *lw_match_format(const LwMatch *match);
char *lw_action_format(const LwAction *action);
char *lw_rule_format(const LwRule *rule);
char *lw_ruleset_format(const LwRuleset *ruleset); /* all of it */
