/* Between the parts of the reader of iptables-save's text. */
#pragma once

#include "resource/rules.h"

/* One option of a rule: "! --dport 80:90" is {"--dport", negate, {"80:90"}}. */
typedef struct {
  const char *name;
  gboolean negate;
  const char *const *values; /* borrowed */
  guint count;
} LwIptOption;

typedef struct {
  LwRuleset *ruleset;
  LwChain *chain;
  LwRule *rule;
} LwIptRule;

/* Options of a match: FALSE when one of them is not understood; the caller takes back what was added. */
gboolean lw_ipt_match(LwIptRule *r, const char *module, const LwIptOption *options, guint count);
/* A target with its options; likewise. */
gboolean lw_ipt_target(LwIptRule *r, const char *target, gboolean is_goto, const LwIptOption *options,
                       guint count);

gboolean lw_ipt_address(const char *text, LwFamily family, LwValue *out); /* with a mask, or a range "a-b" */
gboolean lw_ipt_ports(const char *text, LwValue *out);                    /* "80", "80:90", "80-90", ":90" */
gboolean lw_ipt_masked(const char *text, guint32 *value, guint32 *mask);  /* "0x1", "0x1/0xff" */
gboolean lw_ipt_number(const char *text, guint32 most, guint32 *out);     /* decimal or 0x… */
gboolean lw_ipt_protocol(const char *text, guint32 *out);
