#include "providers/nft/iptables.h"

#include "providers/nft/iptables-internal.h"

#include <string.h>

/* --- words
 * -------------------------------------------------------------------------------------------------- */

/* As iptables-restore splits a line: blanks, double quotes, a backslash in quotes. NULL: a quote is open. */
static char **split(const char *line) {
  g_autoptr(GStrvBuilder) words = g_strv_builder_new();
  g_autoptr(GString) word = g_string_new(NULL);
  gboolean quoted = FALSE, begun = FALSE;
  for (const char *at = line; *at; at++) {
    if (quoted && *at == '\\' && at[1]) {
      g_string_append_c(word, *++at);
    } else if (*at == '"') {
      quoted = !quoted;
      begun = TRUE;
    } else if (!quoted && (*at == ' ' || *at == '\t')) {
      if (begun)
        g_strv_builder_add(words, word->str);
      g_string_truncate(word, 0);
      begun = FALSE;
    } else {
      g_string_append_c(word, *at);
      begun = TRUE;
    }
  }
  if (begun)
    g_strv_builder_add(words, word->str);
  return quoted ? NULL : g_strv_builder_end(words);
}

/* Options whose one value may look like an option. */
static gboolean takes_any_text(const char *option) {
  static const char *const names[] = {
      "--comment", "--log-prefix", "--nflog-prefix", "--string", "--match-set", "--helper", NULL};
  return g_strv_contains(names, option);
}

static gboolean is_short(const char *word) {
  return word[0] == '-' && word[1] != '\0' && word[1] != '-' && word[2] == '\0' && g_ascii_isalpha(word[1]);
}

static gboolean is_long(const char *word) {
  return word[0] == '-' && word[1] == '-' && word[2] != '\0';
}

static void option_clear(gpointer data) {
  LwIptOption *option = data;
  g_free((gpointer)option->values);
}

static gboolean ends_values(char **words, guint at) {
  if (strcmp(words[at], "!") == 0 && words[at + 1])
    return is_short(words[at + 1]) || is_long(words[at + 1]);
  return is_short(words[at]) || is_long(words[at]);
}

/* A rule's words as options, in order; short ones too. NULL: they do not make sense. */
static GArray *options_of(char **words) {
  g_autoptr(GArray) options = g_array_new(FALSE, TRUE, sizeof(LwIptOption));
  g_array_set_clear_func(options, option_clear);
  for (guint at = 0; words[at];) {
    LwIptOption option = {0};
    if (strcmp(words[at], "!") == 0 && words[at + 1]) {
      option.negate = TRUE;
      at++;
    }
    if (!is_short(words[at]) && !is_long(words[at]))
      return NULL;
    option.name = words[at++];
    g_autoptr(GPtrArray) values = g_ptr_array_new();
    if (takes_any_text(option.name) && words[at])
      g_ptr_array_add(values, words[at++]);
    while (words[at] && !ends_values(words, at))
      g_ptr_array_add(values, words[at++]);
    option.count = values->len;
    option.values = g_memdup2(values->pdata, values->len * sizeof(char *));
    g_array_append_val(options, option);
  }
  return g_steal_pointer(&options);
}

static char *options_text(const LwIptOption *options, guint count) {
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < count; i++) {
    g_string_append_printf(text, "%s%s%s", i ? " " : "", options[i].negate ? "! " : "", options[i].name);
    for (guint j = 0; j < options[i].count; j++)
      g_string_append_printf(text, " %s", options[i].values[j]);
  }
  return g_string_free(text, FALSE);
}

/* --- rules
 * -------------------------------------------------------------------------------------------------- */

static void add_unknown(LwRule *rule, char *text /* transfer full */) {
  LwMatch *match = lw_rule_add_match(rule);
  LwField field = LW_FIELD_UNKNOWN;
  g_array_append_val(match->fields, field);
  match->unknown = text;
}

static gboolean add_value(LwRule *rule, LwField field, LwValue value, gboolean negate) {
  LwMatch *match = lw_rule_add_match(rule);
  g_array_append_val(match->fields, field);
  g_array_append_val(match->values, value);
  match->negate = negate;
  return TRUE;
}

static gboolean read_interface(LwRule *rule, LwField field, const LwIptOption *o) {
  g_autofree char *name = g_strdup(o->values[0]);
  if (g_str_has_suffix(name, "+"))
    name[strlen(name) - 1] = '*';
  return add_value(rule, field, lw_value_name(name), o->negate);
}

static gboolean read_protocol(LwRule *rule, const LwIptOption *o) {
  guint32 number;
  if (g_str_equal(o->values[0], "all"))
    return !o->negate;
  return lw_ipt_protocol(o->values[0], &number) &&
         add_value(rule, LW_FIELD_PROTO, lw_value_number(number), o->negate);
}

static gboolean read_address(LwIptRule *r, const LwIptOption *o, LwField v4, LwField v6) {
  LwValue value;
  return lw_ipt_address(o->values[0], r->ruleset->family, &value) &&
         add_value(r->rule, r->ruleset->family == LW_FAMILY_IP6 ? v6 : v4, value, o->negate);
}

/* The options that need no module. */
static gboolean read_short(LwIptRule *r, const LwIptOption *o) {
  char letter = o->name[1];
  if (letter == 'f')
    return o->count == 0 && add_value(r->rule, LW_FIELD_FRAGMENT, lw_value_number(!o->negate), FALSE);
  if (o->count != 1)
    return FALSE;
  switch (letter) {
  case 's':
    return read_address(r, o, LW_FIELD_SADDR, LW_FIELD_SADDR6);
  case 'd':
    return read_address(r, o, LW_FIELD_DADDR, LW_FIELD_DADDR6);
  case 'i':
    return read_interface(r->rule, LW_FIELD_IIF, o);
  case 'o':
    return read_interface(r->rule, LW_FIELD_OIF, o);
  case 'p':
    return read_protocol(r->rule, o);
  default:
    return FALSE;
  }
}

/* Options from `at` on that belong to the module or target before them. */
static guint group_end(const GArray *options, guint at) {
  while (at < options->len && is_long(g_array_index(options, LwIptOption, at).name))
    at++;
  return at;
}

static void read_module(LwIptRule *r, const GArray *options, guint first, guint end) {
  const LwIptOption *head = &g_array_index(options, LwIptOption, first);
  guint matches = r->rule->matches->len, actions = r->rule->actions->len;
  if (head->count == 1 && !head->negate && lw_ipt_match(r, head->values[0], head + 1, end - first - 1))
    return;
  g_ptr_array_set_size(r->rule->matches, (int)matches);
  g_ptr_array_set_size(r->rule->actions, (int)actions);
  add_unknown(r->rule, options_text(head, end - first));
}

static void read_target(LwIptRule *r, const GArray *options, guint first, guint end) {
  const LwIptOption *head = &g_array_index(options, LwIptOption, first);
  guint actions = r->rule->actions->len;
  if (head->count == 1 && !head->negate &&
      lw_ipt_target(r, head->values[0], head->name[1] == 'g', head + 1, end - first - 1))
    return;
  g_ptr_array_set_size(r->rule->actions, (int)actions);
  lw_rule_add_action(r->rule, LW_ACTION_UNKNOWN)->text = options_text(head, end - first);
}

/* Every rule counts what its matches let through. */
static void read_options(LwIptRule *r, const GArray *options) {
  gboolean counted = FALSE;
  for (guint at = 1; at < options->len;) {
    const LwIptOption *option = &g_array_index(options, LwIptOption, at);
    guint end = group_end(options, at + 1);
    if (g_str_equal(option->name, "-m")) {
      read_module(r, options, at, end);
    } else if (g_str_equal(option->name, "-j") || g_str_equal(option->name, "-g")) {
      lw_rule_add_action(r->rule, LW_ACTION_COUNT);
      counted = TRUE;
      read_target(r, options, at, end);
    } else {
      guint matches = r->rule->matches->len;
      if (end != at + 1 || !is_short(option->name) || !read_short(r, option)) {
        g_ptr_array_set_size(r->rule->matches, (int)matches);
        add_unknown(r->rule, options_text(option, end - at));
      }
    }
    at = end;
  }
  if (!counted)
    lw_rule_add_action(r->rule, LW_ACTION_COUNT);
}

/* "-A CHAIN …"; a counter in brackets may stand before it. */
static void read_rule(LwRuleset *ruleset, const char *line) {
  const char *start = *line == '[' ? strchr(line, ']') : line;
  g_auto(GStrv) words = split(start && *line == '[' ? start + 1 : line);
  g_autoptr(GArray) options = words ? options_of(words) : NULL;
  const LwIptOption *head = options && options->len ? &g_array_index(options, LwIptOption, 0) : NULL;
  LwChain *chain = head && g_str_equal(head->name, "-A") && head->count == 1 && !head->negate
                       ? lw_ruleset_find_chain(ruleset, head->values[0])
                       : NULL;
  if (!chain) {
    g_ptr_array_add(ruleset->unknown, g_strdup(line));
    return;
  }
  LwIptRule r = {ruleset, chain, lw_chain_add_rule(chain, (LwOrigin){0}, NULL)};
  read_options(&r, options);
}

/* --- tables
 * -------------------------------------------------------------------------------------------------- */

/* Where the kernel hangs the base chains of each table (linux/netfilter_ipv4.h). */
static const struct {
  const char *table, *chain;
  LwHook hook;
  int priority;
  gboolean nat, reroute;
} hooks[] = {
    {"raw", "PREROUTING", LW_HOOK_PREROUTING, -300, FALSE, FALSE},
    {"raw", "OUTPUT", LW_HOOK_OUTPUT, -300, FALSE, FALSE},
    {"mangle", "PREROUTING", LW_HOOK_PREROUTING, -150, FALSE, FALSE},
    {"mangle", "INPUT", LW_HOOK_INPUT, -150, FALSE, FALSE},
    {"mangle", "FORWARD", LW_HOOK_FORWARD, -150, FALSE, FALSE},
    {"mangle", "OUTPUT", LW_HOOK_OUTPUT, -150, FALSE, TRUE},
    {"mangle", "POSTROUTING", LW_HOOK_POSTROUTING, -150, FALSE, FALSE},
    {"nat", "PREROUTING", LW_HOOK_PREROUTING, -100, TRUE, FALSE},
    {"nat", "INPUT", LW_HOOK_INPUT, 100, TRUE, FALSE},
    {"nat", "OUTPUT", LW_HOOK_OUTPUT, -100, TRUE, FALSE},
    {"nat", "POSTROUTING", LW_HOOK_POSTROUTING, 100, TRUE, FALSE},
    {"filter", "INPUT", LW_HOOK_INPUT, 0, FALSE, FALSE},
    {"filter", "FORWARD", LW_HOOK_FORWARD, 0, FALSE, FALSE},
    {"filter", "OUTPUT", LW_HOOK_OUTPUT, 0, FALSE, FALSE},
    {"security", "INPUT", LW_HOOK_INPUT, 50, FALSE, FALSE},
    {"security", "FORWARD", LW_HOOK_FORWARD, 50, FALSE, FALSE},
    {"security", "OUTPUT", LW_HOOK_OUTPUT, 50, FALSE, FALSE},
};

static gboolean is_base(LwRuleset *ruleset, LwChain *chain, const char *policy) {
  for (guint i = 0; i < G_N_ELEMENTS(hooks); i++) {
    if (!g_str_equal(hooks[i].table, ruleset->name) || !g_str_equal(hooks[i].chain, chain->name))
      continue;
    chain->hook = hooks[i].hook;
    chain->priority = hooks[i].priority;
    chain->nat = hooks[i].nat;
    chain->reroute = hooks[i].reroute;
    chain->drop = g_str_equal(policy, "DROP");
    return g_str_equal(policy, "DROP") || g_str_equal(policy, "ACCEPT");
  }
  return FALSE;
}

/* ":INPUT ACCEPT [0:0]", ":MINE - [0:0]" */
static void read_chain(LwRuleset *ruleset, const char *line) {
  g_auto(GStrv) words = g_strsplit(line + 1, " ", 3);
  if (!words[0] || !*words[0] || !words[1] || lw_ruleset_find_chain(ruleset, words[0])) {
    g_ptr_array_add(ruleset->unknown, g_strdup(line));
    return;
  }
  LwChain *chain = lw_ruleset_add_chain(ruleset, words[0]);
  if (!g_str_equal(words[1], "-") && !is_base(ruleset, chain, words[1]))
    g_ptr_array_add(ruleset->unknown, g_strdup(line));
}

GPtrArray *lw_iptables_read(const char *text, LwFamily family) {
  GPtrArray *tables = g_ptr_array_new_with_free_func((GDestroyNotify)lw_ruleset_unref);
  g_autofree char *valid = g_utf8_make_valid(text, -1);
  g_auto(GStrv) lines = g_strsplit(valid, "\n", -1);
  LwRuleset *table = NULL;
  for (guint i = 0; lines[i]; i++) {
    const char *line = g_strchomp(lines[i]);
    if (*line == '\0' || *line == '#')
      continue;
    if (*line == '*') {
      table = lw_ruleset_new(family, line + 1);
      g_ptr_array_add(tables, table);
    } else if (g_str_equal(line, "COMMIT")) {
      table = NULL;
    } else if (table && *line == ':') {
      read_chain(table, line);
    } else if (table) {
      read_rule(table, line);
    }
  }
  return tables;
}
