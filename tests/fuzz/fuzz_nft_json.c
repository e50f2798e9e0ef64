/* Any text is either no listing, or rulesets that print, normalise, and are as they are then: normal again.
 */
#include "providers/nft/read.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const LwRuleset *ruleset) {
  g_autoptr(LwRuleset) normal = lw_ruleset_normalize(ruleset);
  g_autoptr(LwRuleset) again = lw_ruleset_normalize(normal);
  g_autofree char *text = lw_ruleset_format(normal);
  g_autofree char *text_again = lw_ruleset_format(again);
  if (!g_str_equal(text, text_again))
    g_error("normal, and still another:\n%s\n%s", text, text_again);
  if (!g_utf8_validate(text, -1, NULL))
    g_error("rules that cannot be shown");
  g_autofree char *difference = lw_ruleset_difference(ruleset, ruleset);
  if (difference && ruleset->unknown->len == 0)
    for (guint i = 0; i < ruleset->sets->len; i++)
      if (((const LwSet *)ruleset->sets->pdata[i])->unknown)
        return;
  if (difference && ruleset->unknown->len == 0)
    g_error("not equal to itself: %s", difference);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  g_autoptr(GError) error = NULL;
  g_autofree char *text = g_strndup((const char *)data, size);
  g_autoptr(GPtrArray) rulesets = lw_nft_read(text, &error);
  if (!rulesets == !error)
    g_error(error ? "rulesets in spite of an error" : "no rulesets, and no word why");
  for (guint i = 0; rulesets && i < rulesets->len; i++)
    check(rulesets->pdata[i]);
  return 0;
}
