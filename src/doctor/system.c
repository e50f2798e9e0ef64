/* Packages, and what systemd starts by itself. */
#include "doctor/seen.h"

#include <string.h>

/* Debian's own list; a package that was removed is still in it, with another status. */
static char *version_of(const char *status, const char *package) {
  g_autofree char *head = g_strdup_printf("Package: %s\n", package);
  const char *at = g_str_has_prefix(status, head) ? status : NULL;
  g_autofree char *inner = g_strconcat("\n", head, NULL);
  if (!at && !(at = strstr(status, inner)))
    return NULL;
  const char *end = strstr(at + 1, "\n\n");
  g_autofree char *stanza = end ? g_strndup(at, (gsize)(end - at)) : g_strdup(at);
  const char *version = strstr(stanza, "\nVersion: ");
  if (!version || !strstr(stanza, "\nStatus: install ok installed"))
    return NULL;
  version += strlen("\nVersion: ");
  return g_strndup(version, strcspn(version, "\n"));
}

static void look_at_packages(LwSeen *seen, const char *root) {
  g_autofree char *status = lw_seen_read(root, "/var/lib/dpkg/status");
  if (!status)
    return;
  seen->libvirt = version_of(status, "libvirt-daemon");
  seen->nm = version_of(status, "network-manager");
}

/* "virsh start NAME", "virsh … start NAME", as a command in a unit or in the script that it runs. */
static char *starting_line(const char *text) {
  g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
  for (char **line = lines; *line; line++) {
    const char *virsh = strstr(*line, "virsh");
    const char *start = virsh ? strstr(virsh, " start ") : NULL;
    if (start && *g_strchug(*line) != '#')
      return g_strdup(g_strstrip(*line));
  }
  return NULL;
}

static void note_starter(LwSeen *seen, const char *path, char *line /* transfer full */) {
  LwSeenStarter *starter = g_new0(LwSeenStarter, 1);
  starter->path = g_strdup(path);
  starter->line = line;
  g_ptr_array_add(seen->starters, starter);
}

/* The first word of ExecStart=, without systemd's prefixes. */
static char *program_of(const char *text) {
  const char *at = strstr(text, "\nExecStart=");
  if (!at)
    return NULL;
  at += strlen("\nExecStart=");
  at += strspn(at, "@-:+!");
  char *program = g_strndup(at, strcspn(at, " \t\n"));
  if (*program == '/')
    return program;
  g_free(program);
  return NULL;
}

static void look_at_unit(LwSeen *seen, const char *root, const char *name) {
  g_autofree char *path = g_strdup_printf("/etc/systemd/system/%s", name);
  g_autofree char *text = lw_seen_read(root, path);
  if (!text || !g_str_has_suffix(name, ".service") || g_str_has_prefix(name, "lanward"))
    return;
  char *line = starting_line(text);
  if (line) {
    note_starter(seen, path, line);
    return;
  }
  g_autofree char *program = program_of(text);
  g_autofree char *script = program ? lw_seen_read(root, program) : NULL;
  line = script && g_str_has_prefix(script, "#!") ? starting_line(script) : NULL;
  if (line)
    note_starter(seen, path, line);
}

static gboolean says_after(const char *root, const char *folder) {
  g_autoptr(GPtrArray) names = lw_seen_list(root, folder);
  for (guint i = 0; i < names->len; i++) {
    g_autofree char *path = g_strdup_printf("%s/%s", folder, (char *)names->pdata[i]);
    g_autofree char *text = lw_seen_read(root, path);
    const char *after = text ? strstr(text, "After=") : NULL;
    if (after && strstr(after, "lanward"))
      return TRUE;
  }
  return FALSE;
}

static gboolean is_there(const char *root, const char *path) {
  g_autofree char *whole = g_strconcat(root, path, NULL);
  return g_file_test(whole, G_FILE_TEST_EXISTS) || g_file_test(whole, G_FILE_TEST_IS_SYMLINK);
}

static gboolean has_program(const char *root, const char *name) {
  static const char *const folders[] = {"/usr/sbin/", "/usr/bin/",        "/sbin/",
                                        "/bin/",      "/usr/local/sbin/", "/usr/local/bin/"};
  for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
    g_autofree char *path = g_strconcat(folders[i], name, NULL);
    if (is_there(root, path))
      return TRUE;
  }
  return FALSE;
}

static void look_at_programs(LwSeen *seen, const char *root) {
  seen->dnsmasq = has_program(root, "dnsmasq");
  seen->dhcpcd = has_program(root, "dhcpcd");
  seen->wireguard_go = has_program(root, "wireguard-go");
  seen->wireguard = is_there(root, "/sys/module/wireguard");
  seen->tun = is_there(root, "/dev/net/tun");
  seen->libvirt_listens =
      is_there(root, "/run/libvirt/libvirt-sock") || is_there(root, "/run/libvirt/virtqemud-sock");
  seen->router_ns = is_there(root, "/run/netns/router");
  seen->applied = is_there(root, "/var/lib/lanward/state.db");
  seen->forwards = lw_seen_read_number(root, "/proc/sys/net/ipv4/ip_forward", 0) == 1;
  seen->systemd = is_there(root, "/run/systemd/system");
  seen->unit_block = is_there(root, "/etc/systemd/system/sysinit.target.wants/lanward-block.service");
  seen->unit_lanward = is_there(root, "/etc/systemd/system/multi-user.target.wants/lanward.service");
}

/* The word after KEY= at a line's beginning. */
static char *setting_of(const char *text, const char *key) {
  g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
  for (char **line = lines; *line; line++)
    if (g_str_has_prefix(*line, key) && (*line)[strlen(key)] == '=')
      return g_strstrip(g_strdup(*line + strlen(key) + 1));
  return NULL;
}

/* As they are configured: what runs is the same after the next boot at the latest. */
static void look_at_firewalls(LwSeen *seen, const char *root) {
  g_autofree char *ufw = lw_seen_read(root, "/etc/ufw/ufw.conf");
  g_autofree char *enabled = setting_of(ufw, "ENABLED");
  seen->ufw = g_strcmp0(enabled, "yes") == 0;
  seen->ufw_rules = lw_seen_read(root, "/etc/ufw/user.rules");
  g_autofree char *firewalld = lw_seen_read(root, "/etc/firewalld/firewalld.conf");
  seen->firewalld = is_there(root, "/etc/systemd/system/multi-user.target.wants/firewalld.service");
  seen->firewalld_default = setting_of(firewalld, "DefaultZone");
  seen->firewalld_trusted = lw_seen_read(root, "/etc/firewalld/zones/trusted.xml");
}

void lw_seen_look_system(LwSeen *seen, const char *root) {
  look_at_packages(seen, root);
  look_at_programs(seen, root);
  look_at_firewalls(seen, root);
  g_autoptr(GPtrArray) units = lw_seen_list(root, "/etc/systemd/system");
  for (guint i = 0; i < units->len; i++)
    look_at_unit(seen, root, units->pdata[i]);
  g_autofree char *docker =
      g_strconcat(root, "/etc/systemd/system/multi-user.target.wants/docker.service", NULL);
  seen->docker_enabled =
      g_file_test(docker, G_FILE_TEST_EXISTS) || g_file_test(docker, G_FILE_TEST_IS_SYMLINK);
  seen->docker_after = says_after(root, "/etc/systemd/system/docker.service.d");
}
