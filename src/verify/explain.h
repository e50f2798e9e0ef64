/* One flow, hop by hop, in words for people who do not know nftables. */
#pragma once

#include "verify/static.h"

typedef struct {
  const LwStaticRow *row;
  LwFlowQuestion question;
} LwExplainQuestion;

/* "lan10/gaming -> host tcp/445": ends are segments, machines of segments, host, router, internet,
 * internet/TUNNEL, home-lan, networks, addresses; then icmp, tcp/N or udp/N (icmp when nothing is given).
 * NULL and error (LW_ERROR_USAGE) when it names nothing that is there. */
gboolean lw_explain_parse(const LwStatic *proof, const char *text, LwExplainQuestion *out, GError **error);

/* The whole answer. passes: whether the packet arrives. Transfer full. */
char *lw_explain(const LwStatic *proof, const LwExplainQuestion *question, gboolean *passes);
JsonNode *lw_explain_to_json(const LwStatic *proof, const LwExplainQuestion *question);
