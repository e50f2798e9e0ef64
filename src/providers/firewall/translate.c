#include "providers/firewall/translate.h"

#include <string.h>

#define TUPLE "### tuple ### "
#define CHAIN "DOCKER-USER"

static const char *text(const char *value) {
  return value ? value : "";
}

static void add(GPtrArray *argv, const char *word) {
  g_ptr_array_add(argv, g_strdup(word));
}

static void add_prefix(GPtrArray *argv, const LwPrefix *prefix) {
  g_ptr_array_add(argv, lw_prefix_format(prefix));
}

static char **finish(GPtrArray *argv) {
  g_ptr_array_add(argv, NULL);
  return (char **)g_ptr_array_free(argv, FALSE);
}

static void add_once(LwResourceSet *seen, LwResource *opening) {
  g_autofree char *key = lw_resource_key(opening);
  if (lw_resource_set_find(seen, key))
    lw_resource_unref(opening);
  else
    lw_resource_set_add(seen, opening);
}

/* A network with or without its length. */
static gboolean read_network(const char *word, LwPrefix *out) {
  LwPrefix prefix;
  LwAddr addr;
  if (lw_addr_parse(word, &addr) && addr.family == 4)
    prefix = lw_prefix_make(addr, 32);
  else if (!lw_prefix_parse(word, &prefix) || prefix.addr.family != 4)
    return FALSE;
  *out = lw_prefix_network(&prefix);
  return TRUE;
}

static gboolean is_port(const char *word, gsize length) {
  if (length < 1 || length > 5 || strspn(word, "0123456789") < length)
    return FALSE;
  return g_ascii_strtoull(word, NULL, 10) <= G_MAXUINT16;
}

static gboolean are_ports(const char *word, char between) {
  const char *colon = strchr(word, between);
  return colon ? is_port(word, (gsize)(colon - word)) && is_port(colon + 1, strlen(colon + 1))
               : is_port(word, strlen(word));
}

/* "tcp", "8000:8100" -> "tcp/8000-8100"; NULL: nothing that an opening says. Transfer full. */
static char *value_of(const char *proto, const char *ports) {
  gboolean any = g_str_equal(ports, "any");
  gboolean has_ports = g_str_equal(proto, "tcp") || g_str_equal(proto, "udp");
  if (any)
    return has_ports || g_str_equal(proto, "any") || g_str_equal(proto, "icmp") ? g_strdup(proto) : NULL;
  if (!has_ports || !are_ports(ports, ':'))
    return NULL;
  g_autofree char *value = g_strdup_printf("%s/%s", proto, ports);
  return g_strdup(g_strdelimit(value, ":", '-'));
}

/* "tcp/8000-8100" -> "tcp" and "8000:8100"; "any" where it names none. */
static void split_value(const char *value, char **proto, char **ports) {
  const char *slash = strchr(value, '/');
  *proto = slash ? g_strndup(value, (gsize)(slash - value)) : g_strdup(value);
  *ports = slash ? g_strdelimit(g_strdup(slash + 1), "-", ':') : g_strdup("any");
}

/* --- ufw
 * --------------------------------------------------------------------------------------------------------------
 */

static gboolean is_hex_mark(const char *hex) {
  g_autoptr(GString) mark = g_string_new(NULL);
  for (const char *c = LW_OPENING_MARK; *c; c++)
    g_string_append_printf(mark, "%02x", (guint)*c);
  return g_str_equal(hex, mark->str);
}

/* in_br-mgmt, out_br-mgmt, or in_br-mgmt!out_docker0 */
static gboolean read_ufw_interfaces(const char *word, LwResource *opening) {
  g_auto(GStrv) parts = g_strsplit(word, "!", 3);
  for (guint i = 0; parts[i]; i++) {
    gboolean in = g_str_has_prefix(parts[i], "in_");
    const char *name = in ? parts[i] + strlen("in_") : parts[i] + strlen("out_");
    if ((!in && !g_str_has_prefix(parts[i], "out_")) || !*name || (in ? i != 0 : opening->oif != NULL))
      return FALSE;
    *(in ? &opening->link : &opening->oif) = g_strdup(name);
  }
  gboolean route = g_str_equal(opening->name, LW_OPENING_UFW_ROUTE);
  return route ? opening->link || opening->oif : opening->link && !opening->oif;
}

/* ACTION PROTO DPORT DESTINATION SPORT SOURCE INTERFACES [comment=HEX] */
static LwResource *read_ufw_tuple(const char *line, gboolean *allows) {
  enum { ACTION, PROTO, DPORT, TO, SPORT, FROM, INTERFACES, COMMENT };
  g_auto(GStrv) words = g_strsplit(line, " ", 9);
  guint n = g_strv_length(words);
  if (n < COMMENT || n > COMMENT + 1 || !g_str_equal(words[SPORT], "any"))
    return NULL;
  gboolean route = g_str_has_prefix(words[ACTION], "route:");
  *allows = g_str_equal(words[ACTION], route ? "route:allow" : "allow");
  const char *comment = n > COMMENT ? words[COMMENT] : "";
  if (*comment && !g_str_has_prefix(comment, "comment="))
    return NULL;
  g_autoptr(LwResource) opening =
      lw_resource_new(LW_RES_OPENING, NULL, route ? LW_OPENING_UFW_ROUTE : LW_OPENING_UFW);
  opening->value = value_of(words[PROTO], words[DPORT]);
  if (!opening->value || !read_network(words[TO], &opening->to) ||
      !read_network(words[FROM], &opening->from) || !read_ufw_interfaces(words[INTERFACES], opening))
    return NULL;
  if (*comment && is_hex_mark(comment + strlen("comment=")))
    opening->alias = g_strdup(LW_OPENING_MARK);
  return g_steal_pointer(&opening);
}

void lw_ufw_parse(const char *user_rules, LwResourceSet *seen, LwResourceSet *against) {
  g_auto(GStrv) lines = g_strsplit(user_rules, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    if (!g_str_has_prefix(lines[i], TUPLE))
      continue;
    gboolean allows = FALSE;
    g_autoptr(LwResource) opening = read_ufw_tuple(g_strchomp(lines[i] + strlen(TUPLE)), &allows);
    LwResourceSet *into = allows ? seen : against;
    if (opening && into)
      add_once(into, g_steal_pointer(&opening));
  }
}

char **lw_ufw_command(const LwResource *opening, gboolean remove) {
  GPtrArray *argv = g_ptr_array_new();
  g_autofree char *proto = NULL, *ports = NULL;
  split_value(opening->value, &proto, &ports);
  add(argv, "ufw");
  if (g_str_equal(opening->name, LW_OPENING_UFW_ROUTE))
    add(argv, "route");
  if (remove)
    add(argv, "delete");
  add(argv, "allow");
  if (*text(opening->link)) {
    add(argv, "in");
    add(argv, "on");
    add(argv, opening->link);
  }
  if (*text(opening->oif)) {
    add(argv, "out");
    add(argv, "on");
    add(argv, opening->oif);
  }
  add(argv, "from");
  add_prefix(argv, &opening->from);
  add(argv, "to");
  add_prefix(argv, &opening->to);
  if (!g_str_equal(ports, "any")) {
    add(argv, "port");
    add(argv, ports);
  }
  if (!g_str_equal(proto, "any")) {
    add(argv, "proto");
    add(argv, proto);
  }
  add(argv, "comment");
  add(argv, LW_OPENING_MARK);
  return finish(argv);
}

gboolean lw_ufw_is_enabled(const char *ufw_conf) {
  g_auto(GStrv) lines = g_strsplit(ufw_conf, "\n", -1);
  gboolean enabled = FALSE;
  for (guint i = 0; lines[i]; i++) {
    g_auto(GStrv) halves = g_strsplit(lines[i], "=", 2);
    if (!halves[0] || !halves[1] || !g_str_equal(g_strstrip(halves[0]), "ENABLED"))
      continue;
    g_autofree char *value = g_strdelimit(g_strdup(halves[1]), "\"'", ' ');
    enabled = g_ascii_strcasecmp(g_strstrip(value), "yes") == 0;
  }
  return enabled;
}

/* --- DOCKER-USER
 * ------------------------------------------------------------------------------------------------------ */

typedef struct {
  const char *from, *to, *in, *out, *proto, *ports, *states, *comment, *verdict;
} Rule;

/* The next of `words` into the member that its option is about; FALSE: nothing that we write. */
static gboolean take_option(char **words, guint *at, Rule *rule) {
  const struct {
    const char *option;
    const char **member;
  } options[] = {{"-s", &rule->from},
                 {"-d", &rule->to},
                 {"-i", &rule->in},
                 {"-o", &rule->out},
                 {"-p", &rule->proto},
                 {"--dport", &rule->ports},
                 {"--ctstate", &rule->states},
                 {"--comment", &rule->comment},
                 {"-j", &rule->verdict}};
  const char *option = words[*at], *value = words[*at + 1];
  if (!value)
    return FALSE;
  *at += 2;
  if (g_str_equal(option, "-m"))
    return g_str_equal(value, "comment") || g_str_equal(value, "conntrack") || g_str_equal(value, "tcp") ||
           g_str_equal(value, "udp") || g_str_equal(value, "icmp");
  for (gsize i = 0; i < G_N_ELEMENTS(options); i++)
    if (g_str_equal(option, options[i].option)) {
      if (*options[i].member)
        return FALSE;
      *options[i].member = value;
      return TRUE;
    }
  return FALSE;
}

static LwResource *read_docker_rule(const Rule *rule) {
  if (g_strcmp0(rule->comment, LW_OPENING_MARK) != 0 || g_strcmp0(rule->verdict, "ACCEPT") != 0 ||
      !rule->from || !rule->to || (!rule->in && !rule->out))
    return NULL;
  g_autoptr(LwResource) opening = lw_resource_new(LW_RES_OPENING, NULL, LW_OPENING_DOCKER);
  gboolean replies = g_strcmp0(rule->states, "RELATED,ESTABLISHED") == 0;
  if ((rule->states && !replies) || (replies && (rule->proto || rule->ports)))
    return NULL;
  opening->value = replies ? g_strdup(LW_OPENING_REPLIES)
                           : value_of(rule->proto ? rule->proto : "any", rule->ports ? rule->ports : "any");
  if (!opening->value || !read_network(rule->from, &opening->from) || !read_network(rule->to, &opening->to))
    return NULL;
  opening->link = g_strdup(rule->in);
  opening->oif = g_strdup(rule->out);
  opening->alias = g_strdup(LW_OPENING_MARK);
  return g_steal_pointer(&opening);
}

void lw_docker_parse(const char *rules, LwResourceSet *seen) {
  g_auto(GStrv) lines = g_strsplit(rules, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    if (!g_str_has_prefix(lines[i], "-A " CHAIN " "))
      continue;
    g_auto(GStrv) words = g_strsplit(g_strchomp(lines[i] + strlen("-A " CHAIN " ")), " ", -1);
    Rule rule = {0};
    guint at = 0;
    gboolean known = TRUE;
    while (known && words[at])
      known = take_option(words, &at, &rule);
    LwResource *opening = known ? read_docker_rule(&rule) : NULL;
    if (opening)
      add_once(seen, opening);
  }
}

static void add_option(GPtrArray *argv, const char *option, const char *value) {
  if (*text(value)) {
    add(argv, option);
    add(argv, value);
  }
}

char **lw_docker_command(const LwResource *opening, gboolean remove) {
  GPtrArray *argv = g_ptr_array_new();
  g_autofree char *proto = NULL, *ports = NULL;
  split_value(opening->value, &proto, &ports);
  gboolean replies = g_str_equal(proto, LW_OPENING_REPLIES);
  add(argv, "iptables");
  add_option(argv, "-w", "10");
  add_option(argv, remove ? "-D" : "-I", CHAIN);
  add(argv, "-s");
  add_prefix(argv, &opening->from);
  add(argv, "-d");
  add_prefix(argv, &opening->to);
  add_option(argv, "-i", opening->link);
  add_option(argv, "-o", opening->oif);
  if (!replies && !g_str_equal(proto, "any"))
    add_option(argv, "-p", proto);
  if (!g_str_equal(ports, "any"))
    add_option(argv, "--dport", ports);
  if (replies) {
    add_option(argv, "-m", "conntrack");
    add_option(argv, "--ctstate", "RELATED,ESTABLISHED");
  }
  add_option(argv, "-m", "comment");
  add_option(argv, "--comment", LW_OPENING_MARK);
  add_option(argv, "-j", "ACCEPT");
  return finish(argv);
}

/* --- firewalld
 * -------------------------------------------------------------------------------------------------------- */

char *lw_firewalld_rule(const LwResource *opening) {
  g_autofree char *proto = NULL, *ports = NULL;
  g_autofree char *from = lw_prefix_format(&opening->from);
  g_autofree char *to = lw_prefix_format(&opening->to);
  split_value(opening->value, &proto, &ports);
  g_strdelimit(ports, ":", '-');
  g_autofree char *what = !g_str_equal(ports, "any")
                              ? g_strdup_printf(" port port=\"%s\" protocol=\"%s\"", ports, proto)
                          : !g_str_equal(proto, "any") ? g_strdup_printf(" protocol value=\"%s\"", proto)
                                                       : g_strdup("");
  return g_strdup_printf("rule family=\"ipv4\" source address=\"%s\" destination address=\"%s\"%s accept",
                         from, to, what);
}

static gboolean lists_port(const char *line, const LwResource *opening) {
  g_auto(GStrv) words = g_strsplit(line, " ", -1);
  g_autofree char *proto = NULL, *ports = NULL;
  split_value(opening->value, &proto, &ports);
  g_autofree char *word = g_strdup_printf("%s/%s", g_strdelimit(ports, ":", '-'), proto);
  return g_strv_contains((const char *const *)words, word);
}

gboolean lw_firewalld_opens(const char *zone, const LwResource *opening) {
  g_auto(GStrv) lines = g_strsplit(zone, "\n", -1);
  g_autofree char *rule = lw_firewalld_rule(opening);
  for (guint i = 0; lines[i]; i++) {
    const char *line = g_strstrip(lines[i]);
    if (g_str_equal(line, "target: ACCEPT") || g_str_equal(line, rule) ||
        (g_str_has_prefix(line, "ports: ") && lists_port(line + strlen("ports: "), opening)))
      return TRUE;
  }
  return FALSE;
}
