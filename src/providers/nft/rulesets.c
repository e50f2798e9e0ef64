#include "providers/nft/rulesets.h"

#include "providers/nft/read.h"
#include "providers/nft/run.h"
#include "providers/nft/tables.h"

GPtrArray *lw_nft_rulesets(const char *ns, GError **error) {
  g_autofree char *json =
      lw_nft_run(ns, "list ruleset", LW_NFT_JSON | LW_NFT_STATELESS | LW_NFT_NUMERIC, error);
  g_autoptr(GPtrArray) rulesets = json ? lw_nft_read(json, error) : NULL;
  if (!rulesets || !lw_nft_read_tables(ns, rulesets, error))
    return NULL;
  return g_steal_pointer(&rulesets);
}
