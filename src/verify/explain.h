/* One flow, hop by hop, in words for people who do not know nftables. */
#pragma once

#include "verify/static.h"

typedef struct {
  const LwStaticRow *row;
  LwFlowQuestion question;
  const LwForward *forward; /* nullable: the line that leads it from an exit to a machine; the question is
                               about the exit's address then */
  gboolean any_source, any_destination; /* no address was named: that of the question is an example */
  const char *from, *to;                /* the ends as they were named; interned */
  guint16 port;                         /* as it was named */
} LwExplainQuestion;

/* "lan10/gaming -> host tcp/445": ends are segments, machines of segments, host, router, internet,
 * internet/TUNNEL, home-lan, networks, addresses; then icmp, tcp/N or udp/N (icmp when nothing is given).
 * NULL and error (LW_ERROR_USAGE) when it names nothing that is there. */
gboolean lw_explain_parse(const LwStatic *proof, const char *text, LwExplainQuestion *out, GError **error);

/* Whether the packet arrives by what is in force, and what the file (answer: intent.h) says of it. *passes:
 * the first. Transfer full. */
char *lw_explain_verdict(const LwStatic *proof, const LwExplainQuestion *question, const LwFlowAnswer *answer,
                         gboolean *passes);
/* Its way, hop by hop, and what stands in it. Transfer full. */
char *lw_explain_way(const LwStatic *proof, const LwExplainQuestion *question);
JsonNode *lw_explain_to_json(const LwStatic *proof, const LwExplainQuestion *question,
                             const LwFlowAnswer *answer, const char *advice);
