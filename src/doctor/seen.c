#include "doctor/seen.h"

#include <string.h>
#include <sys/stat.h>

#define FILE_MAX (4 * 1024 * 1024)

static void domain_free(gpointer data) {
  LwSeenDomain *domain = data;
  g_free(domain->name);
  g_free(domain->path);
  g_ptr_array_unref(domain->nics);
  g_free(domain);
}

static void network_free(gpointer data) {
  LwSeenNetwork *network = data;
  g_free(network->name);
  g_free(network->path);
  g_free(network->bridge);
  g_hash_table_unref(network->hosts);
  g_free(network);
}

static void link_free(gpointer data) {
  LwSeenLink *link = data;
  g_free(link->name);
  g_free(link->master);
  g_free(link->alias);
  g_free(link);
}

static void route_free(gpointer data) {
  LwSeenRoute *route = data;
  g_free(route->link);
  g_free(route);
}

static void profile_free(gpointer data) {
  LwSeenProfile *profile = data;
  g_free(profile->bridge);
  g_free(profile->path);
  g_free(profile->port);
  g_array_unref(profile->routes);
  g_free(profile);
}

static void starter_free(gpointer data) {
  LwSeenStarter *starter = data;
  g_free(starter->path);
  g_free(starter->line);
  g_free(starter);
}

static void split_free(gpointer data) {
  LwSeenSplit *split = data;
  g_free(split->group);
  g_free(split->given);
  g_free(split->other);
  g_free(split->driver);
  g_free(split);
}

LwSeen *lw_seen_new(void) {
  LwSeen *seen = g_new0(LwSeen, 1);
  seen->splits = g_ptr_array_new_with_free_func(split_free);
  seen->links = g_ptr_array_new_with_free_func(link_free);
  seen->routes = g_ptr_array_new_with_free_func(route_free);
  seen->domains = g_ptr_array_new_with_free_func(domain_free);
  seen->networks = g_ptr_array_new_with_free_func(network_free);
  seen->profiles = g_ptr_array_new_with_free_func(profile_free);
  seen->starters = g_ptr_array_new_with_free_func(starter_free);
  seen->ifupdown = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  seen->networkd = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  seen->tunnels = g_ptr_array_new_with_free_func(g_free);
  seen->containers = g_ptr_array_new_with_free_func(g_free);
  return seen;
}

LwSeen *lw_seen_look(const char *root) {
  LwSeen *seen = lw_seen_new();
  lw_seen_look_hardware(seen, root);
  lw_seen_look_network(seen, root);
  lw_seen_look_libvirt(seen, root);
  lw_seen_look_system(seen, root);
  return seen;
}

void lw_seen_free(LwSeen *seen) {
  if (!seen)
    return;
  GPtrArray *const lists[] = {seen->splits,   seen->links,    seen->routes,  seen->domains,   seen->networks,
                              seen->profiles, seen->starters, seen->tunnels, seen->containers};
  for (gsize i = 0; i < G_N_ELEMENTS(lists); i++)
    g_ptr_array_unref(lists[i]);
  g_hash_table_unref(seen->ifupdown);
  g_hash_table_unref(seen->networkd);
  g_free(seen->libvirt);
  g_free(seen->nm);
  g_free(seen->video_path);
  g_free(seen->ufw_rules);
  g_free(seen->firewalld_default);
  g_free(seen->firewalld_trusted);
  g_free(seen);
}

const LwSeenLink *lw_seen_link(const LwSeen *seen, const char *name) {
  for (guint i = 0; name && i < seen->links->len; i++)
    if (g_str_equal(((LwSeenLink *)seen->links->pdata[i])->name, name))
      return seen->links->pdata[i];
  return NULL;
}

const LwSeenNetwork *lw_seen_network(const LwSeen *seen, const char *name) {
  for (guint i = 0; name && i < seen->networks->len; i++)
    if (g_str_equal(((LwSeenNetwork *)seen->networks->pdata[i])->name, name))
      return seen->networks->pdata[i];
  return NULL;
}

const LwSeenDomain *lw_seen_domain(const LwSeen *seen, const char *name) {
  for (guint i = 0; name && i < seen->domains->len; i++)
    if (g_str_equal(((LwSeenDomain *)seen->domains->pdata[i])->name, name))
      return seen->domains->pdata[i];
  return NULL;
}

const LwSeenRoute *lw_seen_default_route(const LwSeen *seen) {
  const LwSeenRoute *best = NULL;
  for (guint i = 0; i < seen->routes->len; i++) {
    const LwSeenRoute *route = seen->routes->pdata[i];
    if (route->prefix.len == 0 && (!best || route->metric < best->metric))
      best = route;
  }
  return best;
}

/* Ports that guests or namespaces are behind. */
static gboolean is_virtual(const char *name) {
  static const char *const prefixes[] = {"vnet", "veth", "tap", "lw", "vxlan", "virbr", "docker", "br-"};
  for (gsize i = 0; i < G_N_ELEMENTS(prefixes); i++)
    if (g_str_has_prefix(name, prefixes[i]))
      return TRUE;
  return FALSE;
}

const char *lw_seen_uplink(const LwSeen *seen) {
  const LwSeenRoute *route = lw_seen_default_route(seen);
  const LwSeenLink *link = route ? lw_seen_link(seen, route->link) : NULL;
  if (!link || !link->is_bridge)
    return link ? link->name : NULL;
  for (guint i = 0; i < seen->links->len; i++) {
    const LwSeenLink *port = seen->links->pdata[i];
    if (g_strcmp0(port->master, link->name) == 0 && !is_virtual(port->name))
      return port->name;
  }
  return NULL;
}

gboolean lw_seen_is_name(const char *text) {
  gboolean good = text && *text && strlen(text) <= 255 && g_utf8_validate(text, -1, NULL);
  for (const char *at = text; good && *at; at++)
    good = !g_ascii_iscntrl(*at);
  return good;
}

gboolean lw_seen_is_interface(const char *text) {
  return text && *text && strlen(text) < 16 && !g_str_equal(text, ".") && !g_str_equal(text, "..") &&
         strspn(text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_.-") == strlen(text);
}

/* --- files
 * -------------------------------------------------------------------------------------------------------------
 */

char *lw_seen_read(const char *root, const char *path) {
  g_autofree char *whole = g_strconcat(root, path, NULL);
  struct stat st;
  char *text = NULL;
  /* files of /proc have no size: they are read to their end */
  if (stat(whole, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX ||
      !g_file_get_contents(whole, &text, NULL, NULL))
    return NULL;
  return g_strchomp(text);
}

guint64 lw_seen_read_number(const char *root, const char *path, guint64 otherwise) {
  g_autofree char *text = lw_seen_read(root, path);
  char *end = NULL;
  guint64 number = text ? g_ascii_strtoull(text, &end, 0) : 0;
  return text && end != text ? number : otherwise;
}

static gint by_text(gconstpointer a, gconstpointer b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

GPtrArray *lw_seen_list(const char *root, const char *path) {
  GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *whole = g_strconcat(root, path, NULL);
  g_autoptr(GDir) dir = g_dir_open(whole, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name(dir)))
    g_ptr_array_add(names, g_strdup(name));
  g_ptr_array_sort(names, by_text);
  return names;
}
