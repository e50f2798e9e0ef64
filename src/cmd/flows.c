#include "cmd/flows.h"

#include "base/netns.h"
#include "cmd/router_items.h"
#include "policy/names.h"
#include "providers/nft/conntrack.h"
#include "providers/opnsense/opnsense.h"

#include <netinet/in.h>

LwZone lw_session_zone_of(const LwSession *session, const LwAddr *addr) {
  return lw_verify_zone_of(session->lab, session->facts, addr);
}

static LwProto proto_of(guint8 protocol) {
  return protocol == IPPROTO_ICMP  ? LW_PROTO_ICMP
         : protocol == IPPROTO_TCP ? LW_PROTO_TCP
         : protocol == IPPROTO_UDP ? LW_PROTO_UDP
                                   : LW_PROTO_ANY;
}

/* The tunnel whose mark a flow carries; LW_NONE: WAN's, or none. */
static guint tunnel_of_mark(const LwSession *session, guint32 mark) {
  for (guint i = 0; i < session->lab->tunnels->len; i++)
    if (lw_mark_of_exit(session->facts, session->lab, i) == mark)
      return i;
  return LW_NONE;
}

static gboolean wrong_exit(const LwSession *session, const LwFlow *flow, const LwFlowAnswer *answer) {
  guint32 mark = lw_mark_of_exit(session->facts, session->lab, answer->exit);
  return flow->mark != mark;
}

/* The segments' flows leave under another address, and nobody else's do. Other ones are left from rules that
 * were changed by hand, and would keep what those made of them for as long as they go on: a resolver's flow
 * for ever. */
static gboolean wrongly_masked(const LwFlow *flow, gboolean from_lab, gboolean outwards) {
  gboolean masked = !lw_addr_equal(&flow->seen_as, &flow->source);
  return from_lab ? outwards && !masked : masked;
}

static gboolean is_denied(const LwFlow *flow, gpointer data) {
  const LwSession *session = data;
  LwFlowQuestion question = {.from = lw_session_zone_of(session, &flow->source),
                             .to = lw_session_zone_of(session, &flow->destination),
                             .source = flow->source,
                             .destination = flow->destination,
                             .proto = proto_of(flow->protocol),
                             .port = flow->port};
  LwZone target = lw_session_zone_of(session, &flow->target);
  gboolean from_lab = question.from.kind == LW_ZONE_SEGMENT;
  gboolean redirected = from_lab && target.kind == LW_ZONE_ROUTER;
  if (wrongly_masked(flow, from_lab, target.kind == LW_ZONE_INTERNET))
    return TRUE;
  if (redirected)
    return FALSE; /* DHCP, DNS and ping of the gateway: the same whatever the file says */
  if (!from_lab && question.from.kind != LW_ZONE_HOST && target.kind != LW_ZONE_SEGMENT)
    return FALSE;                               /* the router's own flows, encrypted ones among them */
  if (question.from.kind == LW_ZONE_INTERNET) { /* came in by a forward: asked of the exit it came by */
    question.from.index = tunnel_of_mark(session, flow->mark);
    question.to = (LwZone){LW_ZONE_ROUTER, LW_NONE};
  }
  LwFlowAnswer answer = {0};
  lw_intent_answer(session->lab, session->facts, &question, &answer);
  gboolean denied = !answer.allow ||
                    (from_lab && question.to.kind == LW_ZONE_INTERNET && wrong_exit(session, flow, &answer));
  lw_flow_answer_clear(&answer);
  return denied;
}

gboolean lw_session_end_denied_flows(const LwSession *session, guint *ended, GError **error) {
  if (!lw_netns_exists(session->facts->router_ns))
    return TRUE; /* left out by manage:, and not here; or an OPNsense, whose provider ends them */
  return lw_conntrack_end(session->facts->router_ns, is_denied, (gpointer)session, ended, error);
}

static gboolean has_end(const LwFlow *flow, gpointer data) {
  const LwAddr *address = data;
  return lw_addr_equal(&flow->source, address) || lw_addr_equal(&flow->destination, address) ||
         lw_addr_equal(&flow->target, address);
}

gboolean lw_session_end_address(const LwSession *session, const LwAddr *address, GError **error) {
  g_autofree char *text = lw_addr_format(address);
  if (lw_addr_is_set(address) && session->router_plan && !session->router_plan->only_read)
    return lw_opnsense_provider_end(session->router, text, NULL, error);
  return !lw_addr_is_set(address) || !lw_netns_exists(session->facts->router_ns) ||
         lw_conntrack_end(session->facts->router_ns, has_end, (gpointer)address, NULL, error);
}

/* --- the proof's own
 * -------------------------------------------------------------------------------------------------- */

static gboolean note_portless(const LwFlow *flow, gpointer data) {
  GArray *list = data;
  LwOpenFlow open = {flow->source, flow->destination, flow->seen_as, flow->protocol};
  if (proto_of(flow->protocol) == LW_PROTO_ANY && lw_addr_is_set(&flow->source))
    g_array_append_val(list, open);
  return FALSE; /* it goes on */
}

GArray *lw_session_portless_flows(const LwSession *session) {
  const char *ns = session->facts->router_ns;
  g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(LwOpenFlow));
  if (!ns || !lw_netns_exists(ns) || !lw_conntrack_end(ns, note_portless, list, NULL, NULL))
    return NULL;
  return g_steal_pointer(&list);
}

static char *key_of(const LwAddr *source, const LwAddr *destination, guint8 protocol) {
  g_autofree char *from = lw_addr_format(source);
  g_autofree char *to = lw_addr_format(destination);
  return g_strdup_printf("%s %s %u", from, to, protocol);
}

static gboolean is_among(const LwFlow *flow, gpointer data) {
  g_autofree char *key = key_of(&flow->source, &flow->destination, flow->protocol);
  return g_hash_table_contains(data, key);
}

gboolean lw_session_end_portless(const GArray *flows, gpointer session, GError **error) {
  g_autoptr(GHashTable) keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < flows->len; i++) {
    const LwOpenFlow *flow = &g_array_index(flows, LwOpenFlow, i);
    g_hash_table_add(keys, key_of(&flow->source, &flow->destination, flow->protocol));
  }
  return lw_conntrack_end(((const LwSession *)session)->facts->router_ns, is_among, keys, NULL, error);
}
