/* The uplink's lease, where nobody that we know keeps it: is its address one, and which program renews it? */
#include "host/lease.h"

#include "base/process.h"

#include <json-glib/json-glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The kernel gives a leased address a lifetime; what ip(8) calls dynamic. */
static gboolean is_dynamic(JsonObject *link) {
  JsonArray *list =
      json_object_has_member(link, "addr_info") ? json_object_get_array_member(link, "addr_info") : NULL;
  for (guint i = 0; list && i < json_array_get_length(list); i++)
    if (json_object_get_boolean_member_with_default(json_array_get_object_element(list, i), "dynamic", FALSE))
      return TRUE;
  return FALSE;
}

gboolean lw_host_has_lease(const char *link) {
  const char *const argv[] = {"ip", "-4", "-json", "address", "show", "dev", link, NULL};
  LwCommand command = {.argv = argv};
  g_autofree char *text = lw_command_run(&command, NULL);
  g_autoptr(JsonNode) root = text ? json_from_string(text, NULL) : NULL;
  JsonArray *links = root && JSON_NODE_HOLDS_ARRAY(root) ? json_node_get_array(root) : NULL;
  for (guint i = 0; links && i < json_array_get_length(links); i++) {
    JsonNode *one = json_array_get_element(links, i);
    if (JSON_NODE_HOLDS_OBJECT(one) && is_dynamic(json_node_get_object(one)))
      return TRUE;
  }
  return FALSE;
}

static gboolean is_in_our_namespace(const char *pid) {
  struct stat own, other;
  g_autofree char *path = g_build_filename("/proc", pid, "ns", "net", NULL);
  return stat("/proc/self/ns/net", &own) == 0 && stat(path, &other) == 0 && own.st_ino == other.st_ino;
}

/* argv of a DHCP client that this link is one of, or that takes all that it finds. dhcpcd's helpers write
 * their state over their arguments: "dhcpcd: [manager] [ip4]". */
static gboolean serves(char **argv, const char *link) {
  static const char *const names[] = {"dhclient", "dhcpcd", "udhcpc", "pump"};
  g_autofree char *program = argv[0] ? g_path_get_basename(argv[0]) : NULL;
  gboolean client = FALSE, named = FALSE;
  for (guint i = 0; program && i < G_N_ELEMENTS(names); i++)
    client = client || g_str_has_prefix(program, names[i]);
  for (guint i = 1; client && argv[i]; i++)
    named = named || g_str_equal(argv[i], link);
  return client && (named || g_str_has_prefix(program, "dhcpcd"));
}

static char **arguments_of(const char *pid) {
  g_autofree char *path = g_build_filename("/proc", pid, "cmdline", NULL);
  g_autofree char *text = NULL;
  gsize length = 0;
  if (!g_file_get_contents(path, &text, &length, NULL) || length == 0)
    return g_new0(char *, 1);
  for (gsize i = 0; i + 1 < length; i++)
    if (text[i] == '\0')
      text[i] = '\n';
  return g_strsplit(text, "\n", -1);
}

char *lw_host_lease_keeper(const char *link) {
  g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
  const char *pid;
  while (proc && (pid = g_dir_read_name(proc))) {
    if (!g_ascii_isdigit(*pid))
      continue;
    g_auto(GStrv) argv = arguments_of(pid);
    if (!serves(argv, link) || !is_in_our_namespace(pid))
      continue;
    g_auto(GStrv) words = g_strsplit(argv[0], ":", 2);
    g_autofree char *program = g_path_get_basename(words[0]);
    return g_strdup_printf("%s (pid %s)", program, pid);
  }
  return NULL;
}
