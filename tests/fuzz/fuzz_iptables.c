/* Any text is rulesets, and each of its rules is in them: understood, or with its words. */
#include "providers/nft/iptables.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static guint rules_of(const char *text) {
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  guint count = 0;
  gboolean inside = FALSE;
  for (guint i = 0; lines[i]; i++) {
    const char *line = g_strchomp(lines[i]);
    if (*line == '*')
      inside = TRUE;
    else if (g_str_equal(line, "COMMIT"))
      inside = FALSE;
    else if (inside && *line && *line != '#' && *line != ':')
      count++;
  }
  return count;
}

static guint check(const LwRuleset *ruleset) {
  guint count = 0;
  for (guint i = 0; i < ruleset->unknown->len; i++)
    count += *(const char *)ruleset->unknown->pdata[i] != ':';
  for (guint i = 0; i < ruleset->chains->len; i++)
    count += ((const LwChain *)ruleset->chains->pdata[i])->rules->len;
  g_autoptr(LwRuleset) normal = lw_ruleset_normalize(ruleset);
  g_autofree char *text = lw_ruleset_format(normal);
  if (!g_utf8_validate(text, -1, NULL))
    g_error("rules that cannot be shown");
  return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  g_autofree char *raw = g_strndup((const char *)data, size);
  g_autofree char *text = g_utf8_make_valid(raw, -1);
  for (guint v6 = 0; v6 < 2; v6++) {
    g_autoptr(GPtrArray) rulesets = lw_iptables_read(text, v6 ? LW_FAMILY_IP6 : LW_FAMILY_IP);
    guint count = 0;
    for (guint i = 0; i < rulesets->len; i++)
      count += check(rulesets->pdata[i]);
    if (count < rules_of(text))
      g_error("%u rules of %u are left", count, rules_of(text));
  }
  return 0;
}
