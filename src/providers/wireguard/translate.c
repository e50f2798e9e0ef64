#include "providers/wireguard/translate.h"

#include "base/error.h"

#include <string.h>

static gboolean append_key(GString *text, const char *name, const LwSecretRef *ref, LwSecretStore *secrets,
                           GError **error) {
  if (!ref)
    return TRUE;
  char *key = lw_secret_store_get(secrets, ref, error);
  if (!key)
    return FALSE;
  g_string_append_printf(text, "%s = %s\n", name, key);
  lw_secret_clear(key);
  return TRUE;
}

static void append_allowed(GString *text, const GArray *allowed) {
  if (allowed->len == 0)
    return;
  g_string_append(text, "AllowedIPs = ");
  for (guint i = 0; i < allowed->len; i++) {
    g_autofree char *prefix = lw_prefix_format(&g_array_index(allowed, LwPrefix, i));
    g_string_append_printf(text, "%s%s", i ? ", " : "", prefix);
  }
  g_string_append_c(text, '\n');
}

static gboolean append_peer(GString *text, const LwPeer *peer, LwSecretStore *secrets, GError **error) {
  g_string_append_printf(text, "[Peer]\nPublicKey = %s\n", peer->public_key);
  if (!append_key(text, "PresharedKey", peer->preshared_key, secrets, error))
    return FALSE;
  if (lw_addr_is_set(&peer->endpoint)) {
    g_autofree char *endpoint = lw_addr_format(&peer->endpoint);
    g_string_append_printf(text, peer->endpoint.family == 6 ? "Endpoint = [%s]:%u\n" : "Endpoint = %s:%u\n",
                           endpoint, peer->endpoint_port);
  }
  append_allowed(text, peer->allowed);
  g_string_append_printf(text, "PersistentKeepalive = %u\n", peer->keepalive);
  return TRUE;
}

char *lw_wireguard_config(const LwResource *tunnel, LwSecretStore *secrets, GError **error) {
  GString *text = g_string_new("[Interface]\n");
  gboolean ok = append_key(text, "PrivateKey", tunnel->private_key, secrets, error);
  if (tunnel->listen_port)
    g_string_append_printf(text, "ListenPort = %u\n", tunnel->listen_port);
  g_string_append_printf(text, "FwMark = 0x%x\n", tunnel->mark);
  for (guint i = 0; ok && i < tunnel->peers->len; i++)
    ok = append_peer(text, tunnel->peers->pdata[i], secrets, error);
  if (ok)
    return g_string_free(text, FALSE);
  lw_secret_clear(g_string_free(text, FALSE));
  return NULL;
}

/* --- wg show all dump: tab-separated, see wg(8)
 * ---------------------------------------------------------------------- */

static char *reference_of(const char *key) {
  if (g_str_equal(key, "(none)"))
    return NULL;
  g_autoptr(LwSecretStore) memory = lw_secret_store_new(NULL);
  return lw_secret_store_put(memory, key, NULL);
}

static gboolean number_of(const char *text, guint64 max, guint64 *out) {
  if (g_str_equal(text, "off")) {
    *out = 0;
    return TRUE;
  }
  gboolean hex = g_str_has_prefix(text, "0x");
  return g_ascii_string_to_unsigned(hex ? text + 2 : text, hex ? 16 : 10, 0, max, out, NULL);
}

static LwResource *parse_interface(char **field) {
  guint64 port, mark;
  if (!number_of(field[3], G_MAXUINT16, &port) || !number_of(field[4], G_MAXUINT32, &mark))
    return NULL;
  LwResource *tunnel = lw_resource_new(LW_RES_TUNNEL, "", field[0]);
  tunnel->private_key = reference_of(field[1]);
  tunnel->listen_port = (guint16)port;
  tunnel->mark = (guint32)mark;
  return tunnel;
}

static gboolean parse_endpoint(const char *text, LwPeer *peer) {
  if (g_str_equal(text, "(none)"))
    return TRUE;
  const char *colon = strrchr(text, ':');
  guint64 port;
  if (!colon || !number_of(colon + 1, G_MAXUINT16, &port))
    return FALSE;
  gboolean bracketed = text[0] == '[' && colon > text + 2;
  g_autofree char *host =
      bracketed ? g_strndup(text + 1, (gsize)(colon - text) - 2) : g_strndup(text, (gsize)(colon - text));
  peer->endpoint_port = (guint16)port;
  return lw_addr_parse(host, &peer->endpoint);
}

static gboolean parse_allowed(const char *text, LwPeer *peer) {
  if (g_str_equal(text, "(none)"))
    return TRUE;
  g_auto(GStrv) parts = g_strsplit(text, ",", -1);
  for (char **part = parts; *part; part++) {
    LwPrefix prefix;
    if (!lw_prefix_parse(*part, &prefix))
      return FALSE;
    g_array_append_val(peer->allowed, prefix);
  }
  return TRUE;
}

static gboolean parse_peer(char **field, LwResource *tunnel) {
  guint64 keepalive;
  LwPeer *peer = lw_peer_new();
  g_ptr_array_add(tunnel->peers, peer);
  peer->public_key = g_strdup(field[1]);
  peer->preshared_key = reference_of(field[2]);
  if (!parse_endpoint(field[3], peer) || !parse_allowed(field[4], peer) ||
      !number_of(field[8], G_MAXUINT16, &keepalive))
    return FALSE;
  peer->keepalive = (guint)keepalive;
  return TRUE;
}

static gboolean parse_line(const char *line, GHashTable *tunnels) {
  g_auto(GStrv) field = g_strsplit(line, "\t", -1);
  guint count = g_strv_length(field);
  if (count == 5) {
    LwResource *tunnel = parse_interface(field);
    if (tunnel)
      g_hash_table_replace(tunnels, g_strdup(field[0]), tunnel);
    return tunnel != NULL;
  }
  LwResource *tunnel = count == 9 ? g_hash_table_lookup(tunnels, field[0]) : NULL;
  return tunnel && parse_peer(field, tunnel);
}

gboolean lw_wireguard_parse_dump(const char *dump, GHashTable *tunnels, GError **error) {
  g_auto(GStrv) lines = g_strsplit(dump, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    if (lines[i][0] && !parse_line(lines[i], tunnels)) {
      g_hash_table_remove_all(tunnels);
      g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "wg show: line %u is not understood", i + 1);
      return FALSE;
    }
  return TRUE;
}

static gboolean same_prefixes(const GArray *a, const GArray *b) {
  if (a->len != b->len)
    return FALSE;
  for (guint i = 0; i < a->len; i++) {
    gboolean found = FALSE;
    for (guint j = 0; j < b->len && !found; j++)
      found = lw_prefix_equal(&g_array_index(a, LwPrefix, i), &g_array_index(b, LwPrefix, j));
    if (!found)
      return FALSE;
  }
  return TRUE;
}

static void normalise_peer(LwPeer *seen, const LwPeer *wanted) {
  if (!lw_addr_is_set(&wanted->endpoint)) {
    seen->endpoint = LW_ADDR_NONE;
    seen->endpoint_port = wanted->endpoint_port;
  }
  if (!same_prefixes(seen->allowed, wanted->allowed))
    return;
  g_array_set_size(seen->allowed, 0);
  g_array_append_vals(seen->allowed, wanted->allowed->data, wanted->allowed->len);
}

void lw_wireguard_normalise(LwResource *seen, const LwResource *wanted) {
  if (!wanted->listen_port)
    seen->listen_port = 0;
  g_free(seen->alias);
  seen->alias = g_strdup(wanted->alias);
  for (guint i = 0; i < MIN(seen->peers->len, wanted->peers->len); i++)
    if (g_strcmp0(((LwPeer *)seen->peers->pdata[i])->public_key,
                  ((LwPeer *)wanted->peers->pdata[i])->public_key) == 0)
      normalise_peer(seen->peers->pdata[i], wanted->peers->pdata[i]);
}
