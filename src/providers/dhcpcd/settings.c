#include "providers/dhcpcd/settings.h"

#include "base/error.h"
#include "base/files.h"

#include <net/if.h>
#include <string.h>

#define GROUP "client"
#define WORD G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS
#define SETTINGS_VERSION 1

void lw_dhcp_settings_free(LwDhcpSettings *settings) {
  if (!settings)
    return;
  g_free(settings->run_dir);
  g_free(settings->ns);
  g_free(settings->link);
  g_free(settings->home_lan_set);
  g_free(settings->resolv_conf);
  g_free(settings->hostname);
  g_free(settings);
}

char *lw_dhcp_path(const char *run_dir, const char *stem, const char *ns, const char *link,
                   const char *extension) {
  g_autofree char *name = g_strdup_printf("%s-%s-%s.%s", stem, ns ? ns : "", link, extension);
  return g_build_filename(run_dir, name, NULL);
}

static gboolean only_of(const char *text, const char *allowed, gsize max) {
  gsize length = strlen(text);
  return length > 0 && length <= max && strspn(text, allowed) == length;
}

/* "TABLE SET": both become words of an nft script. */
static gboolean is_set_name(const char *text) {
  g_auto(GStrv) words = g_strsplit(text, " ", -1);
  return g_strv_length(words) == 2 && only_of(words[0], WORD "_-", 128) && only_of(words[1], WORD "_-", 128);
}

static gboolean refuse(GError **error, const char *what, const char *value) {
  g_autofree char *shown = g_strescape(value ? value : "", NULL);
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "a DHCP client cannot have the %s \"%s\"", what, shown);
  return FALSE;
}

static gboolean check_settings(const LwDhcpSettings *s, GError **error) {
  if (!s->link || !only_of(s->link, WORD "_.@+-", IFNAMSIZ - 1) || *s->link == '-' ||
      g_str_equal(s->link, ".") || g_str_equal(s->link, ".."))
    return refuse(error, "interface", s->link);
  if (*s->ns && !only_of(s->ns, WORD "_.@+-", 200))
    return refuse(error, "network namespace", s->ns);
  /* it stands in a line of dhcpcd's configuration, which has quotes and escapes of its own */
  if (!s->run_dir || !g_path_is_absolute(s->run_dir) || !only_of(s->run_dir, WORD "_.@+-/,:", 4000))
    return refuse(error, "run folder", s->run_dir);
  if (s->home_lan_set && !is_set_name(s->home_lan_set))
    return refuse(error, "nft set", s->home_lan_set);
  if (s->resolv_conf && !g_path_is_absolute(s->resolv_conf))
    return refuse(error, "resolv.conf", s->resolv_conf);
  if (s->hostname && !only_of(s->hostname, WORD ".-", 253))
    return refuse(error, "host name", s->hostname);
  return TRUE;
}

static char *dup_set(const char *text) {
  return text && *text ? g_strdup(text) : NULL;
}

LwDhcpSettings *lw_dhcp_settings_new(const char *run_dir, const LwDhcpClient *client, GError **error) {
  g_autoptr(LwDhcpSettings) s = g_new0(LwDhcpSettings, 1);
  s->run_dir = g_strdup(run_dir);
  s->ns = g_strdup(client->ns ? client->ns : "");
  s->link = g_strdup(client->link);
  s->table = client->table;
  s->no_route = client->no_route;
  s->home_lan_set = dup_set(client->home_lan_set);
  s->resolv_conf = dup_set(client->resolv_conf);
  s->hostname = dup_set(client->hostname);
  return check_settings(s, error) ? g_steal_pointer(&s) : NULL;
}

static void put_string(GKeyFile *file, const char *name, const char *value) {
  if (value)
    g_key_file_set_string(file, GROUP, name, value);
}

gboolean lw_dhcp_settings_save(const LwDhcpSettings *s, GError **error) {
  g_autoptr(GKeyFile) file = g_key_file_new();
  g_key_file_set_integer(file, GROUP, "version", SETTINGS_VERSION);
  put_string(file, "run-dir", s->run_dir);
  put_string(file, "ns", s->ns);
  put_string(file, "link", s->link);
  g_key_file_set_uint64(file, GROUP, "table", s->table);
  g_key_file_set_boolean(file, GROUP, "no-route", s->no_route);
  put_string(file, "home-lan-set", s->home_lan_set);
  put_string(file, "resolv-conf", s->resolv_conf);
  put_string(file, "hostname", s->hostname);
  gsize length = 0;
  g_autofree char *text = g_key_file_to_data(file, &length, NULL);
  g_autofree char *path = lw_dhcp_path(s->run_dir, "dhcp", s->ns, s->link, "settings");
  return lw_file_write_atomic(path, text, length, 0600, error);
}

static LwDhcpSettings *from_key_file(GKeyFile *file) {
  LwDhcpSettings *s = g_new0(LwDhcpSettings, 1);
  s->run_dir = g_key_file_get_string(file, GROUP, "run-dir", NULL);
  s->ns = g_key_file_get_string(file, GROUP, "ns", NULL);
  s->link = g_key_file_get_string(file, GROUP, "link", NULL);
  s->table = (guint32)g_key_file_get_uint64(file, GROUP, "table", NULL);
  s->no_route = g_key_file_get_boolean(file, GROUP, "no-route", NULL);
  s->home_lan_set = g_key_file_get_string(file, GROUP, "home-lan-set", NULL);
  s->resolv_conf = g_key_file_get_string(file, GROUP, "resolv-conf", NULL);
  s->hostname = g_key_file_get_string(file, GROUP, "hostname", NULL);
  if (!s->ns)
    s->ns = g_strdup("");
  return s;
}

LwDhcpSettings *lw_dhcp_settings_load_file(const char *path, GError **error) {
  g_autoptr(GKeyFile) file = g_key_file_new();
  g_autoptr(GError) inner = NULL;
  if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, &inner)) {
    gboolean missing = g_error_matches(inner, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    g_set_error(error, LW_ERROR, missing ? LW_ERROR_NOT_FOUND : LW_ERROR_FAILED, "cannot read %s: %s", path,
                inner->message);
    return NULL;
  }
  if (g_key_file_get_integer(file, GROUP, "version", NULL) != SETTINGS_VERSION) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "%s was written by another version of lanward", path);
    return NULL;
  }
  g_autoptr(LwDhcpSettings) s = from_key_file(file);
  return check_settings(s, error) ? g_steal_pointer(&s) : NULL;
}

LwDhcpSettings *lw_dhcp_settings_load(const char *run_dir, const char *ns, const char *link, GError **error) {
  g_autofree char *path = lw_dhcp_path(run_dir, "dhcp", ns, link, "settings");
  g_autoptr(LwDhcpSettings) s = lw_dhcp_settings_load_file(path, error);
  if (!s)
    return NULL;
  /* "a-b" of "c" and "a" of "b-c" share a file's name */
  if (g_str_equal(s->ns, ns ? ns : "") && g_str_equal(s->link, link))
    return g_steal_pointer(&s);
  g_set_error(error, LW_ERROR, LW_ERROR_CONFLICT, "%s belongs to the DHCP client of %s in \"%s\"", path,
              s->link, s->ns);
  return NULL;
}
