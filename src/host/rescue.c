/* A way back that needs no lanward: a shell script of ip, nft, nmcli and kill, for a person at the console.
 */
#include "host/world.h"

#include "providers/firewall/translate.h"

#include <string.h>

static const char head[] =
    "#!/bin/sh\n"
    "# Brings this machine back to what it was before lanward changed it, without "
    "lanward: for a person at its\n"
    "# console, as root. Each line helps on its own, so none stops the others; what "
    "is gone already is told by the\n"
    "# programs themselves, and does not matter.\n"
    "set -u\n"
    "PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"
    "stop() { # a process of lanward, unless its number is somebody else's by now\n"
    "  read -r pid start <\"$1\" || return 0\n"
    "  if [ -z \"$start\" ]; then\n"
    "    tr '\\0' ' ' <\"/proc/$pid/cmdline\" 2>/dev/null | grep -q \"${1%/*}\" && kill \"$pid\"\n"
    "  elif [ \"$(sed 's/.*) //' \"/proc/$pid/stat\" 2>/dev/null | cut -d' ' -f20)\" = \"$start\" ]; then\n"
    "    kill \"$pid\"\n"
    "  fi\n"
    "}\n";

static void add_command(GString *script, const char *const *argv) {
  for (guint i = 0; argv[i]; i++) {
    g_autofree char *quoted = g_shell_quote(argv[i]);
    gboolean plain = argv[i][strcspn(argv[i], "\"'$`\\!*?[]{}()<>|&;~# \t\n")] == '\0' && *argv[i];
    g_string_append_printf(script, "%s%s", i ? " " : "", plain ? argv[i] : quoted);
  }
  g_string_append_c(script, '\n');
}

#define COMMAND(script, ...) add_command(script, (const char *const[]){__VA_ARGS__, NULL})

static gboolean is_ours(const LwResource *r) {
  return !r->observed && (!r->ns || !*r->ns);
}

static void add_taken(GString *script, const LwHostWorld *world) {
  for (guint i = 0; i < world->taken->list->len; i++) {
    const LwResource *r = world->taken->list->pdata[i];
    if (r->kind == LW_RES_DHCP_CLIENT)
      continue;
    g_autofree char *prefix = lw_prefix_format(&r->prefix);
    g_autofree char *via = lw_addr_is_set(&r->via) ? lw_addr_format(&r->via) : NULL;
    g_autofree char *metric = g_strdup_printf("%u", r->metric);
    if (r->kind == LW_RES_ADDRESS)
      COMMAND(script, "ip", "address", "replace", prefix, "broadcast", "+", "dev", world->uplink);
    else if (via)
      COMMAND(script, "ip", "route", "replace", prefix, "via", via, "dev", world->uplink, "metric", metric);
    else
      COMMAND(script, "ip", "route", "replace", prefix, "dev", world->uplink, "metric", metric);
  }
}

/* The way in comes first: whoever reads this has lost it. */
static void add_uplink(GString *script, const LwHostWorld *world, const LwLab *lab,
                       const LwResourceSet *wanted) {
  g_string_append(script, "\n# the uplink, as it was\n");
  if (world->keeper == LW_UPLINK_NETWORKMANAGER) {
    for (guint i = 0; i < wanted->list->len; i++) {
      const LwResource *r = wanted->list->pdata[i];
      if (g_str_equal(lw_resource_kind_name(r->kind), "profile"))
        COMMAND(script, "nmcli", "connection", "delete", "id", r->name);
    }
    COMMAND(script, "nmcli", "device", "connect", world->uplink);
    return;
  }
  COMMAND(script, "ip", "link", "set", "dev", world->uplink, "nomaster");
  COMMAND(script, "ip", "link", "delete", "dev", lab->host.bridge);
  COMMAND(script, "ip", "link", "set", "dev", world->uplink, "up");
  add_taken(script, world);
}

static void add_links(GString *script, const LwLab *lab, const LwResourceSet *wanted) {
  for (guint i = wanted->list->len; i > 0; i--) {
    const LwResource *r = wanted->list->pdata[i - 1];
    if (r->kind == LW_RES_LINK && is_ours(r) && r->link_type != LW_LINK_EXTERNAL &&
        !g_str_equal(r->name, lab->host.bridge))
      COMMAND(script, "ip", "link", "delete", "dev", r->name);
  }
}

static void add_namespaces(GString *script, const LwResourceSet *wanted) {
  for (guint i = 0; i < wanted->list->len; i++) {
    const LwResource *r = wanted->list->pdata[i];
    if (r->kind == LW_RES_NETNS && !r->observed)
      COMMAND(script, "ip", "netns", "delete", r->name);
  }
}

/* Last: while anything of a segment is there, its bridges stay closed. */
static void add_tables(GString *script, const LwResourceSet *wanted) {
  for (guint i = 0; i < wanted->list->len; i++) {
    const LwResource *r = wanted->list->pdata[i];
    if (r->kind == LW_RES_RULESET && is_ours(r))
      COMMAND(script, "nft", "delete", "table", lw_family_name(r->ruleset->family), r->ruleset->name);
  }
}

/* Exceptions in the host's own firewalls, by their own commands. */
static void add_openings(GString *script, const LwResourceSet *wanted) {
  for (guint i = 0; i < wanted->list->len; i++) {
    const LwResource *r = wanted->list->pdata[i];
    if (r->kind != LW_RES_OPENING || !is_ours(r))
      continue;
    g_auto(GStrv) argv =
        g_str_equal(r->name, LW_OPENING_DOCKER) ? lw_docker_command(r, TRUE) : lw_ufw_command(r, TRUE);
    add_command(script, (const char *const *)argv);
  }
}

char *lw_host_rescue_script(const LwHostWorld *world, const LwLab *lab, const LwResourceSet *wanted,
                            const char *run_dir) {
  GString *script = g_string_new(head);
  g_autofree char *quoted = g_shell_quote(run_dir);
  if (world->uplink && world->keeper != LW_UPLINK_BRIDGED && (lab->manage & LW_MANAGE_HOST))
    add_uplink(script, world, lab, wanted);
  g_string_append_printf(script,
                         "\n# what runs for the lab, the confirm timer among it\n"
                         "for file in %s/*.pid %s/*/*.pid; do\n  [ -e \"$file\" ] && stop \"$file\"\ndone\n",
                         quoted, quoted);
  g_string_append(script, "\n# the router and the machines that are namespaces\n");
  add_namespaces(script, wanted);
  g_string_append(script, "\n# bridges and cables\n");
  add_links(script, lab, wanted);
  g_string_append(script, "\n# what was opened in the host's own firewall\n");
  add_openings(script, wanted);
  g_string_append(script, "\n# the guards\n");
  add_tables(script, wanted);
  g_string_append(script, "\nip -brief address\n");
  return g_string_free(script, FALSE);
}
