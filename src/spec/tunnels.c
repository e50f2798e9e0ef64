#include "base/error.h"
#include "spec/internal.h"

#include "wgconf/wgconf.h"

#include <string.h>

#define MOST_TUNNELS 1024
#define LONGEST_TUNNEL 12 /* "wg-" and the name are an interface */
#define WG_FILE_MAX 65536

void lw_spec_build_tunnels(LwSpec *spec, const LwYaml *map) {
  g_autoptr(GHashTable) paths = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; map && i < map->keys->len; i++) {
    const LwYaml *name = map->keys->pdata[i], *value = map->items->pdata[i];
    if (spec->lab->tunnels->len >= MOST_TUNNELS) {
      lw_spec_error(spec->diagnostics, name->origin, "more than %d tunnels", MOST_TUNNELS);
      return;
    }
    if (!lw_spec_name(spec, name, "a tunnel", LONGEST_TUNNEL))
      continue;
    LwTunnel *tunnel = lw_tunnel_new();
    tunnel->name = g_strdup(name->text);
    tunnel->origin = value->origin;
    g_ptr_array_add(spec->lab->tunnels, tunnel);
    g_hash_table_insert(spec->tunnels, tunnel->name, GUINT_TO_POINTER(spec->lab->tunnels->len));
    g_autofree char *path =
        lw_spec_is_scalar(spec, value, "the path of a wg-quick file") ? lw_spec_text(spec, value) : NULL;
    if (!path)
      continue;
    tunnel->path = lw_spec_relative(spec, value->origin.file, path);
    const LwTunnel *other = g_hash_table_lookup(paths, tunnel->path);
    if (other)
      lw_spec_error(spec->diagnostics, value->origin,
                    "tunnel “%s” has this file already: one file is one tunnel", other->name);
    else
      g_hash_table_insert(paths, tunnel->path, tunnel);
  }
}

static gboolean in_a_zone(LwSpec *spec, const LwAddr *addr, const LwZoneClaim **found) {
  for (guint i = 0; i < spec->zones->len; i++) {
    const LwZoneClaim *zone = &g_array_index(spec->zones, LwZoneClaim, i);
    if (!zone->is_network && lw_prefix_contains(&zone->prefix, addr)) {
      *found = zone;
      return TRUE;
    }
  }
  return FALSE;
}

static gboolean is_taken(const LwSpec *spec, const LwTunnel *tunnel) {
  const LwAddr *address = &g_array_index(tunnel->wg.addresses, LwPrefix, 0).addr;
  for (guint i = 0; i < spec->lab->tunnels->len; i++) {
    const LwTunnel *other = lw_lab_tunnel(spec->lab, i);
    for (guint a = 0; other != tunnel && a < other->wg.addresses->len; a++)
      if (lw_addr_equal(&g_array_index(other->wg.addresses, LwPrefix, a).addr, address))
        return TRUE;
  }
  return FALSE;
}

/* Addresses of its own choosing: by its name, so that the order of the file does not matter; the next along
 * when they would fall into the lab or are another tunnel's. */
static void stand_in(LwSpec *spec, LwTunnel *tunnel) {
  LwMac digest = lw_mac_derive(tunnel->name);
  guint first = (guint)digest.bytes[3] << 8 | digest.bytes[4];
  const LwZoneClaim *zone;
  for (guint i = 0; i < LW_STAND_INS; i++) {
    lw_wireguard_clear(&tunnel->wg);
    lw_wgconf_stand_in(tunnel->name, (first + i) % LW_STAND_INS, &tunnel->wg);
    if (!in_a_zone(spec, &g_array_index(tunnel->wg.addresses, LwPrefix, 0).addr, &zone) &&
        !is_taken(spec, tunnel))
      return;
  }
}

static void take_notes(LwSpec *spec, const char *path, const GPtrArray *notes) {
  for (guint i = 0; i < notes->len; i++) {
    const LwWgNote *note = notes->pdata[i];
    LwOrigin origin = {g_intern_string(path), note->line, note->column};
    if (note->is_error)
      lw_spec_error(spec->diagnostics, origin, "%s", note->message);
    else
      lw_spec_warning(spec->diagnostics, origin, "%s", note->message);
  }
}

/* The file's text; or NULL after a diagnostic, or having added the tunnel to `absent`: in the twin a file
 * that is not there is nothing but a warning, as a loose mode is. */
static char *read_file(LwSpec *spec, LwTunnel *tunnel, const char *path, GPtrArray *absent, gsize *length) {
  g_autoptr(GError) error = NULL;
  char *text = lw_secret_file_read(path, WG_FILE_MAX, TRUE, length, &error);
  if (text)
    return text;
  gboolean missing = g_error_matches(error, LW_ERROR, LW_ERROR_NOT_FOUND);
  if (missing && (spec->flags & LW_SPEC_TWIN)) {
    g_ptr_array_add(absent, tunnel);
    return NULL;
  }
  if (!(spec->flags & LW_SPEC_TWIN)) {
    lw_spec_error(spec->diagnostics, tunnel->origin, "tunnel “%s”: %s%s", tunnel->name, error->message,
                  missing ? "; put it there with mode 600, or use a twin, which makes one of its own" : "");
    return NULL;
  }
  text = lw_secret_file_read(path, WG_FILE_MAX, FALSE, length, NULL);
  lw_spec_warning(spec->diagnostics, tunnel->origin, "tunnel “%s”: %s%s", tunnel->name, error->message,
                  text ? "" : "; the twin uses one of its own");
  return text;
}

/* FALSE: there is none, and a stand-in has to be found. */
static gboolean read_tunnel(LwSpec *spec, LwTunnel *tunnel, GPtrArray *absent) {
  gboolean twin = (spec->flags & LW_SPEC_TWIN) != 0;
  if (!tunnel->path)
    return TRUE;
  g_autofree char *path = lw_spec_absolute(spec, tunnel->path);
  if (!path) {
    if (!twin)
      lw_spec_error(spec->diagnostics, tunnel->origin, "tunnel “%s”: its file is not read from here",
                    tunnel->name);
    return FALSE;
  }
  gsize length = 0;
  char *text = read_file(spec, tunnel, path, absent, &length);
  if (!text)
    return FALSE;
  LwWireguard wg;
  g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func((GDestroyNotify)lw_wg_note_free);
  gboolean good = lw_wgconf_parse(text, length, spec->store, twin, &wg, notes);
  explicit_bzero(text, length);
  g_free(text);
  take_notes(spec, path, notes);
  if (!good)
    return TRUE;
  lw_wireguard_clear(&tunnel->wg);
  tunnel->wg = wg;
  return TRUE;
}

/* One warning for all of them: whoever tries a file without its secrets knows. */
static void warn_of_absent(LwSpec *spec, const GPtrArray *absent) {
  if (absent->len == 0)
    return;
  const LwTunnel *first = absent->pdata[0];
  g_autoptr(GString) files = g_string_new(first->path);
  for (guint i = 1; i < absent->len; i++)
    g_string_append_printf(files, ", %s", ((const LwTunnel *)absent->pdata[i])->path);
  lw_spec_warning(spec->diagnostics, first->origin, "no file %s: the twin uses %s of its own", files->str,
                  absent->len == 1 ? "one" : "tunnels");
}

static int by_name(gconstpointer a, gconstpointer b) {
  const LwTunnel *const *x = a, *const *y = b;
  return strcmp((*x)->name, (*y)->name);
}

static void check_addresses(LwSpec *spec, const LwTunnel *tunnel) {
  const LwZoneClaim *zone;
  for (guint i = 0; i < tunnel->wg.addresses->len; i++) {
    const LwPrefix *address = &g_array_index(tunnel->wg.addresses, LwPrefix, i);
    if (address->addr.family == 4 && in_a_zone(spec, &address->addr, &zone)) {
      g_autofree char *text = lw_addr_format(&address->addr);
      lw_spec_error(spec->diagnostics, tunnel->origin,
                    "the address %s of tunnel “%s” lies in %s: change the subnet there", text, tunnel->name,
                    zone->what);
    }
  }
  for (guint i = 0; i < tunnel->wg.dns->len; i++) {
    const LwAddr *dns = &g_array_index(tunnel->wg.dns, LwAddr, i);
    if (dns->family == 4 && in_a_zone(spec, dns, &zone)) {
      g_autofree char *text = lw_addr_format(dns);
      lw_spec_error(spec->diagnostics, tunnel->origin,
                    "the resolver %s of tunnel “%s” lies in %s: change the subnet there", text, tunnel->name,
                    zone->what);
    }
  }
}

static void check_between(LwSpec *spec, const LwTunnel *tunnel, GHashTable *ports, GHashTable *addresses) {
  gpointer port = GUINT_TO_POINTER((guint)tunnel->wg.listen_port);
  const LwTunnel *other = port ? g_hash_table_lookup(ports, port) : NULL;
  if (other)
    lw_spec_error(spec->diagnostics, tunnel->origin,
                  "tunnels “%s” and “%s” have the same ListenPort %u: take it out of one file", other->name,
                  tunnel->name, tunnel->wg.listen_port);
  else if (port)
    g_hash_table_insert(ports, port, (gpointer)tunnel);
  for (guint i = 0; spec->lab->router.kind == LW_ROUTER_OPNSENSE && i < tunnel->wg.addresses->len; i++) {
    char *text = lw_addr_format(&g_array_index(tunnel->wg.addresses, LwPrefix, i).addr);
    other = g_hash_table_lookup(addresses, text);
    if (other && other != tunnel)
      lw_spec_error(spec->diagnostics, tunnel->origin,
                    "tunnels “%s” and “%s” have the same address %s: OPNsense needs distinct ones, “kind: "
                    "builtin” does not",
                    other->name, tunnel->name, text);
    g_hash_table_insert(addresses, text, (gpointer)tunnel);
  }
}

void lw_spec_read_tunnels(LwSpec *spec) {
  g_autoptr(GHashTable) ports = g_hash_table_new(g_direct_hash, g_direct_equal);
  g_autoptr(GHashTable) addresses = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GPtrArray) missing = g_ptr_array_new();
  g_autoptr(GPtrArray) absent = g_ptr_array_new();
  for (guint i = 0; i < spec->lab->tunnels->len; i++)
    if (!read_tunnel(spec, lw_lab_tunnel(spec->lab, i), absent))
      g_ptr_array_add(missing, lw_lab_tunnel(spec->lab, i));
  warn_of_absent(spec, absent);
  g_ptr_array_sort(missing, by_name); /* not by place in the file: see stand_in() */
  for (guint i = 0; i < missing->len; i++)
    stand_in(spec, missing->pdata[i]);
  for (guint i = 0; i < spec->lab->tunnels->len; i++) {
    check_addresses(spec, lw_lab_tunnel(spec->lab, i));
    check_between(spec, lw_lab_tunnel(spec->lab, i), ports, addresses);
  }
}
