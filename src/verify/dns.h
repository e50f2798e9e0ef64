/* As much of DNS as asking for one A record takes. */
#pragma once

#include "base/addr.h"

#define LW_DNS_QUERY_MAX 128

/* A recursive query for the name's A record; 0 when the name cannot be encoded. */
gsize lw_dns_query(guint16 id, const char *name, guint8 out[LW_DNS_QUERY_MAX]);

typedef enum {
  LW_DNS_NOT_OURS, /* no answer to this query, or malformed */
  LW_DNS_NOTHING,  /* an answer without an address: refused, no such name, … */
  LW_DNS_ADDRESS,
} LwDnsAnswer;

/* bytes are hostile. out is set only for LW_DNS_ADDRESS: the first A record of the answer section. */
LwDnsAnswer lw_dns_parse(guint16 id, const guint8 *bytes, gsize length, LwAddr *out);
