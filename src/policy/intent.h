/* The intended matrix: who may reach whom, from the file's words alone (never from the rules made of them).
 *
 * A question is one flow: from a source (a zone and an address) to a destination (a zone and an address), one
 * protocol, one destination port. The answer is from DESIGN's table of semantics.
 */
#pragma once

#include "model/model.h"
#include "resource/facts.h"

typedef enum {
  LW_ZONE_SEGMENT,
  LW_ZONE_HOST,
  LW_ZONE_ROUTER,
  LW_ZONE_INTERNET,
  LW_ZONE_HOME_LAN,
  LW_ZONE_NETWORK
} LwZoneKind;

typedef struct {
  LwZoneKind kind;
  guint index; /* segment or network; for INTERNET as a source: the tunnel it comes in by, LW_NONE: wan */
} LwZone;

typedef struct {
  LwZone from, to;
  LwAddr source, destination; /* destination as the sender writes it (before any translation) */
  LwProto proto;              /* icmp: echo request */
  guint16 port;               /* tcp, udp */
} LwFlowQuestion;

typedef struct {
  gboolean allow;
  guint exit;      /* allowed to the internet: by which tunnel; LW_NONE: wan */
  LwOrigin origin; /* the line that says so; a default's when nothing does */
  char *reason;    /* one line for people; transfer full with lw_flow_answer_clear */
} LwFlowAnswer;

void lw_intent_answer(const LwLab *lab, const LwFacts *facts, const LwFlowQuestion *question,
                      LwFlowAnswer *answer);
void lw_flow_answer_clear(LwFlowAnswer *answer);
/* FALSE: no line lets anything of that zone into the segment, whatever lw_intent_answer() is asked of the
 * two.
 */
gboolean lw_intent_may_enter(const LwLab *lab, const LwZone *from, guint segment);
/* The special-purpose prefixes that “internet” never means, one by one; FALSE after the last. */
gboolean lw_intent_special(guint index, LwPrefix *out);
