/* Which chains of others drop bridged frames, by what nft lists. */
#include "providers/nft/foreign.h"

#define CHAIN(family, table, name, rest)                                                                     \
  "{\"chain\": {\"family\": \"" family "\", \"table\": \"" table "\", \"name\": \"" name "\"" rest "}}"

static void test_dropping(void) {
  static const char listing[] =
      "{\"nftables\": [{\"metainfo\": {\"version\": \"1.0.6\"}}," CHAIN("ip", "filter", "FORWARD", ", \"type\": \"filter\", \"hook\": \"forward\", \"prio\": 0, \"policy\": \"drop\"") "," CHAIN(
          "ip", "filter", "DOCKER",
          "") "," CHAIN("ip", "filter", "INPUT",
                        ", \"hook\": \"input\", \"policy\": \"drop\"") "," CHAIN("ip6", "filter", "FORWARD",
                                                                                 ", \"hook\": "
                                                                                 "\"forward\", "
                                                                                 "\"policy\": "
                                                                                 "\"drop\"") "," CHAIN("inet",
                                                                                                       "mine",
                                                                                                       "fwd",
                                                                                                       ", "
                                                                                                       "\"hoo"
                                                                                                       "k\": "
                                                                                                       "\"for"
                                                                                                       "ward"
                                                                                                       "\", "
                                                                                                       "\"pol"
                                                                                                       "icy\""
                                                                                                       ": "
                                                                                                       "\"dro"
                                                                                                       "p\"") "," CHAIN("inet",
                                                                                                                        "lanward_guard",
                                                                                                                        "forward",
                                                                                                                        ", \"hook\": \"forward\", \"policy\": \"accept\"") "]}";
  g_autoptr(GPtrArray) names = lw_nft_dropping_chains(listing);
  g_assert_nonnull(names);
  g_assert_cmpuint(names->len, ==, 2);
  g_assert_cmpstr(names->pdata[0], ==, "ip filter FORWARD");
  g_assert_cmpstr(names->pdata[1], ==, "inet mine fwd");
}

static void test_no_listing(void) {
  static const char *const damaged[] = {"", "[]", "{}", "{\"nftables\": 1}", "{\"nftables\""};
  for (guint i = 0; i < G_N_ELEMENTS(damaged); i++)
    g_assert_null(lw_nft_dropping_chains(damaged[i]));
  g_autoptr(GPtrArray) odd =
      lw_nft_dropping_chains("{\"nftables\": [1, {\"chain\": 2}, {\"chain\": {\"hook\": 3}}]}");
  g_assert_cmpuint(odd->len, ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/nft/foreign/dropping", test_dropping);
  g_test_add_func("/nft/foreign/no-listing", test_no_listing);
  return g_test_run();
}
