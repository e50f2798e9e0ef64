/* verify --live: tunnels that are lost and open flows that are led elsewhere, tried in a copy of the router.
 */
#include "cmd/proof.h"

#include "base/error.h"
#include "base/netns.h"
#include "providers/kernel/copy.h"
#include "providers/nft/run.h"
#include "providers/nft/translate.h"
#include "verify/lost.h"

#define QUIET_MS 10

static gboolean lose(const char *link, gboolean is_lost, gpointer data, GError **error) {
  return lw_net_copy_set_up(data, link, !is_lost, error);
}

static gboolean catch_rest(gboolean on, gpointer data, GError **error) {
  return lw_net_copy_catch(data, LW_WITNESS_LINK, on, error);
}

static gboolean lead(const char *from, const char *to, gboolean on, gpointer data, GError **error) {
  return lw_net_copy_lead(data, from, to, on, error);
}

static gboolean send_packet(const char *link, const guint8 *packet, gsize length, gpointer data) {
  return lw_net_copy_send(data, link, packet, length);
}

static void receive(LwLeft left, gpointer left_data, gpointer data) {
  lw_net_copy_receive(data, QUIET_MS, left, left_data);
}

/* No rule of the filter stops what leaves by the witness. */
static void let_witness_through(const LwRuleset *ruleset, GString *commands) {
  gboolean ip = ruleset->family == LW_FAMILY_INET || ruleset->family == LW_FAMILY_IP;
  g_autofree char *table = lw_nft_table_name(ruleset);
  for (guint i = 0; ip && i < ruleset->chains->len; i++) {
    const LwChain *chain = ruleset->chains->pdata[i];
    if ((chain->hook == LW_HOOK_FORWARD || chain->hook == LW_HOOK_POSTROUTING) && !chain->nat)
      g_string_append_printf(commands, "insert rule %s %s %s oifname \"%s\" accept\n",
                             lw_nft_family(ruleset->family), table, chain->name, LW_WITNESS_LINK);
  }
}

/* What opens with that mark of ours is translated by no chain. */
static void let_untranslated_through(const LwRuleset *ruleset, GString *commands) {
  gboolean ip = ruleset->family == LW_FAMILY_INET || ruleset->family == LW_FAMILY_IP;
  g_autofree char *table = lw_nft_table_name(ruleset);
  for (guint i = 0; ip && i < ruleset->chains->len; i++) {
    const LwChain *chain = ruleset->chains->pdata[i];
    if (chain->hook == LW_HOOK_POSTROUTING && chain->nat)
      g_string_append_printf(commands, "insert rule %s %s %s ip id %u accept\n",
                             lw_nft_family(ruleset->family), table, chain->name, LW_ID_UNTRANSLATED);
  }
}

static char *rules_of(const LwProof *still, const char *ns, GError **error) {
  gboolean died;
  g_autofree char *listing = lw_nft_run_apart(ns, "list ruleset", LW_NFT_STATELESS, &died, error);
  if (!listing)
    return NULL;
  GString *commands = g_string_new(listing);
  g_string_append_c(commands, '\n');
  for (guint i = 0; i < still->seen->list->len; i++) {
    const LwResource *r = still->seen->list->pdata[i];
    if (r->kind == LW_RES_RULESET && g_strcmp0(r->ns, ns) == 0)
      let_witness_through(r->ruleset, commands);
    if (r->kind == LW_RES_RULESET && g_strcmp0(r->ns, ns) == 0)
      let_untranslated_through(r->ruleset, commands);
  }
  return g_string_free(commands, FALSE);
}

static LwNetCopy *copy_router(const LwProof *still, const char *ns, GError **error) {
  g_autofree char *rules = rules_of(still, ns, error);
  g_autoptr(LwNetCopy) copy = rules ? lw_net_copy_new(ns, error) : NULL;
  if (!copy || !lw_net_copy_add_link(copy, LW_WITNESS_LINK, error))
    return NULL;
  int previous = lw_net_copy_enter(copy, error);
  if (previous < 0)
    return NULL;
  g_autofree char *done = lw_nft_run(NULL, rules, 0, error);
  lw_netns_leave(previous);
  return done ? g_steal_pointer(&copy) : NULL;
}

void lw_proof_lost_tunnels(const LwSession *session, const LwProof *still, LwVerifyReport *report) {
  const char *ns = session->facts->router_ns;
  g_autoptr(GError) error = NULL;
  if (!ns || !lw_netns_exists(ns))
    return;
  g_autoptr(LwNetCopy) net = copy_router(still, ns, &error);
  if (!net) {
    g_ptr_array_add(
        report->left_out,
        g_strdup_printf(
            "tunnels that are lost, and open flows by other exits: the router cannot be copied: %s",
            error->message));
    return;
  }
  const LwRouterCopy copy = {lose, catch_rest, lead, send_packet, receive, net};
  lw_verify_lost_tunnels(session->lab, still->proof, &copy, report);
  lw_verify_led_flows(session->lab, still->proof, &copy, report);
}
