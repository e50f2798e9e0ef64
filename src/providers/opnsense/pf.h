/* The pf rules that OPNsense makes of a config.xml, in the order in which pf sees them.
 *
 * Read from how its generator behaves (26.7.2): the automatic rules, priorities, floating rules and interface
 * groups, one configured rule taken apart into one pf rule for each interface, family, source and
 * destination, gateways as route-to and reply-to, rules left out with a comment. tests/unit/opnsense compares
 * with what the generator itself wrote.
 */
#pragma once

#include "providers/opnsense/links.h"

typedef enum { LW_PF_FILTER, LW_PF_RDR, LW_PF_NAT } LwPfKind;

typedef struct {
  const char *name, *interface; /* interface: a key; NULL for a group */
  const char *device;           /* NULL: a group */
  guint8 family;
  const char *address;      /* NULL: by its device alone, or a group */
  const char *route;        /* "( wg0 10.64.1.1 )", "wg0", "{ ( a 1 ), ( b 2 ) } round-robin" */
  const char *first_device; /* the first exit a group has; the device otherwise */
  guint priority;
  gboolean is_default, dynamic;
} LwPfGateway;

/* Addresses are in pf's words: "any", "(self)", "(vtnet2:network)", "(wg0)", "$alias", "<bogons>",
 * "192.168.0.0/16"; several with commas; "!" before. Ports: "445", "1:100", "$alias"; NULL: any. */
typedef struct {
  LwPfKind kind;
  guint priority;
  gboolean disabled;  /* not loaded; why says why, when it was not the user */
  const char *why;    /* nullable */
  const char *action; /* filter: pass, block, reject */
  gboolean in, out;   /* filter */
  gboolean log, quick;
  const char *device; /* NULL: on every interface */
  gboolean device_not;
  const LwPfGateway *gateway; /* route-to; nullable */
  const char *lost_gateway; /* the rule names it, it is not usable, and the rule is there without; nullable */
  const char *reply;        /* reply-to, in pf's words; nullable */
  const char *reply_device; /* nullable */
  guint8 family;            /* 0: both */
  const char *protocol;     /* as in LwOpnRule */
  const char *from, *to, *from_port, *to_port;
  const char *icmp_types, *icmp6_types, *flags, *state, *set_prio, *tag, *tagged;
  gboolean allow_options;
  const char *narrows; /* as in LwOpnRule */
  const char *label, *descr;
  gboolean negative;                       /* no rdr, no nat */
  gboolean pass;                           /* rdr pass: the filter is not asked */
  const char *target, *target_port, *pool; /* rdr, nat */
  gboolean static_port;                    /* nat */
  const LwOpnRule *rule;                   /* filter: what it comes from */
  const LwOpnForward *forward;             /* rdr; nullable: automatic */
  const LwOpnSourceNat *source_nat;        /* nat; nullable: automatic */
} LwPfRule;

typedef struct {
  GStringChunk *strings;
  const LwOpn *opn;
  const LwOpnLinks *links;
  GPtrArray *gateways;     /* of LwPfGateway*, usable ones, best default first; groups last */
  GPtrArray *filter;       /* of LwPfRule*, in order, disabled ones too */
  GPtrArray *translations; /* of LwPfRule*: rdr and nat */
  GPtrArray *antispoof;    /* of const char*: devices */
  GPtrArray *automatic;    /* of LwOpnRule*, made by OPNsense itself */
} LwPf;

/* without: the name of a gateway to take for gone (deleted, disabled); NULL: as the file says. opn and links
 * must outlive the result. */
LwPf *lw_pf_generate(const LwOpn *opn, const LwOpnLinks *links, const char *without);
void lw_pf_free(LwPf *pf);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwPf, lw_pf_free)

const LwPfGateway *lw_pf_gateway(const LwPf *pf, const char *name); /* NULL: none that can be used */
/* Where a packet goes that no other route takes; NULL: nowhere. */
const LwPfGateway *lw_pf_default_gateway(const LwPf *pf, guint8 family);
/* The key of the interface that anti-lockout opens for the web page and SSH; NULL: none. */
const char *lw_pf_lockout_interface(const LwOpn *opn);

/* The gateway that an interface has by lease or is configured with; NULL: none (then it is an inside
 * interface). */
const LwPfGateway *lw_pf_interface_gateway(const LwPf *pf, const LwOpnLink *link, guint8 family);
/* The port of a well-known name ("domain": 53); 0: none. */
guint lw_pf_known_port(const char *name);

/* One line as OPNsense writes it; "# " before when disabled. Transfer full. */
char *lw_pf_rule_text(const LwPfRule *rule);
/* The lines from "no nat proto carp all" on, without comments and disabled rules. Transfer full. */
char *lw_pf_text(const LwPf *pf);
