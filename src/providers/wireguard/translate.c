#include "providers/wireguard/translate.h"

#include "base/error.h"

#include <string.h>

#define KEY_BYTES 32
#define KEY_TEXT 44 /* base64 of so many bytes */
#define DUMP_DEVICE_FIELDS 4
#define DUMP_PEER_FIELDS 8

/* --- settings -> text --------------------------------------------------------------------------------------- */

static gboolean append_secret(GString *out, const char *name, LwSecretStore *secrets, const LwSecretRef *ref,
                              GError **error) {
  if (!ref || !*ref)
    return TRUE;
  char *secret = lw_secret_store_get(secrets, ref, error);
  if (!secret)
    return FALSE;
  gboolean sane = strlen(secret) == KEY_TEXT && !strpbrk(secret, " \t\r\n");
  if (sane)
    g_string_append_printf(out, "%s = %s\n", name, secret);
  else
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "%s is not a WireGuard key (44 characters of base64)", name);
  lw_secret_clear(secret);
  return sane;
}

static void append_endpoint(GString *out, const LwPeer *peer) {
  if (!lw_addr_is_set(&peer->endpoint))
    return;
  g_autofree char *address = lw_addr_format(&peer->endpoint);
  g_string_append_printf(out, peer->endpoint.family == 6 ? "Endpoint = [%s]:%u\n" : "Endpoint = %s:%u\n", address,
                         peer->endpoint_port);
}

static gboolean append_peer(GString *out, const LwPeer *peer, LwSecretStore *secrets, GError **error) {
  g_string_append_printf(out, "\n[Peer]\nPublicKey = %s\n", peer->public_key);
  if (!append_secret(out, "PresharedKey", secrets, peer->preshared_key, error))
    return FALSE;
  append_endpoint(out, peer);
  for (guint i = 0; i < peer->allowed->len; i++) {
    g_autofree char *prefix = lw_prefix_format(&g_array_index(peer->allowed, LwPrefix, i));
    g_string_append_printf(out, "%s%s%s", i ? ", " : "AllowedIPs = ", prefix, i + 1 < peer->allowed->len ? "" : "\n");
  }
  if (peer->keepalive)
    g_string_append_printf(out, "PersistentKeepalive = %u\n", peer->keepalive);
  else
    g_string_append(out, "PersistentKeepalive = off\n"); /* said, or an old one stays */
  return TRUE;
}

char *lw_wg_config(const LwResource *tunnel, LwSecretStore *secrets, GError **error) {
  GString *out = g_string_new("[Interface]\n");
  gboolean ok = append_secret(out, "PrivateKey", secrets, tunnel->private_key, error);
  if (tunnel->listen_port)
    g_string_append_printf(out, "ListenPort = %u\n", tunnel->listen_port);
  g_string_append_printf(out, "FwMark = 0x%x\n", tunnel->mark);
  for (guint i = 0; ok && i < tunnel->peers->len; i++)
    ok = append_peer(out, tunnel->peers->pdata[i], secrets, error);
  char *text = g_string_free(out, FALSE);
  if (ok)
    return text;
  lw_secret_clear(text);
  return NULL;
}

/* --- dump -> settings --------------------------------------------------------------------------------------- */

static gboolean is_key(const char *text) {
  gsize length = 0;
  if (strlen(text) != KEY_TEXT)
    return FALSE;
  guchar *bytes = g_base64_decode(text, &length);
  if (bytes)
    explicit_bzero(bytes, length);
  g_free(bytes);
  return length == KEY_BYTES;
}

static gboolean parse_number(const char *text, const char *off, guint64 max, guint64 *out) {
  if (g_str_equal(text, off)) {
    *out = 0;
    return TRUE;
  }
  gboolean hex = g_str_has_prefix(text, "0x");
  return g_ascii_string_to_unsigned(hex ? text + 2 : text, hex ? 16 : 10, 0, max, out, NULL);
}

/* "192.0.2.1:51820", "[2001:db8::1]:51820", "(none)" */
static gboolean parse_endpoint(const char *text, LwPeer *peer) {
  if (g_str_equal(text, "(none)"))
    return TRUE;
  const char *colon = strrchr(text, ':');
  guint64 port = 0;
  if (!colon || colon == text || !g_ascii_string_to_unsigned(colon + 1, 10, 1, G_MAXUINT16, &port, NULL))
    return FALSE;
  gboolean brackets = text[0] == '[' && colon[-1] == ']' && colon - text > 2;
  g_autofree char *address = brackets ? g_strndup(text + 1, (gsize)(colon - text) - 2)
                                      : g_strndup(text, (gsize)(colon - text));
  if (!lw_addr_parse(address, &peer->endpoint))
    return FALSE;
  peer->endpoint_port = (guint16)port;
  return TRUE;
}

static gboolean parse_allowed(const char *text, LwPeer *peer) {
  if (g_str_equal(text, "(none)"))
    return TRUE;
  g_auto(GStrv) parts = g_strsplit(text, ",", -1);
  for (guint i = 0; parts[i]; i++) {
    LwPrefix prefix;
    if (!lw_prefix_parse(parts[i], &prefix))
      return FALSE;
    g_array_append_val(peer->allowed, prefix);
  }
  return TRUE;
}

static gboolean parse_secret(const char *text, LwSecretStore *secrets, LwSecretRef **out, GError **error) {
  if (g_str_equal(text, "(none)"))
    return TRUE;
  if (!is_key(text))
    return FALSE;
  *out = lw_secret_store_put(secrets, text, error);
  return *out != NULL;
}

/* Fields: public key, preshared key, endpoint, allowed, handshake, received, sent, keepalive. */
static gboolean parse_peer(char **fields, LwSecretStore *secrets, LwPeer *peer, GError **error) {
  guint64 keepalive = 0;
  if (g_strv_length(fields) != DUMP_PEER_FIELDS || !is_key(fields[0]) ||
      !parse_secret(fields[1], secrets, &peer->preshared_key, error) || !parse_endpoint(fields[2], peer) ||
      !parse_allowed(fields[3], peer) || !parse_number(fields[7], "off", G_MAXUINT16, &keepalive))
    return FALSE;
  peer->public_key = g_strdup(fields[0]);
  peer->keepalive = (guint)keepalive;
  return TRUE;
}

typedef struct {
  LwResource *scratch; /* of the same kind: owns what was read until all of it is good */
  LwSecretStore *secrets;
} Reading;

/* Fields: private key, public key, port, fwmark. */
static gboolean parse_device(char **fields, const Reading *reading, GError **error) {
  guint64 port = 0, mark = 0;
  if (g_strv_length(fields) != DUMP_DEVICE_FIELDS ||
      !parse_secret(fields[0], reading->secrets, &reading->scratch->private_key, error) ||
      !parse_number(fields[2], "off", G_MAXUINT16, &port) || !parse_number(fields[3], "off", G_MAXUINT32, &mark))
    return FALSE;
  reading->scratch->listen_port = (guint16)port;
  reading->scratch->mark = (guint32)mark;
  return TRUE;
}

static void clear_lines(char **lines) {
  for (guint i = 0; lines && lines[i]; i++)
    explicit_bzero(lines[i], strlen(lines[i]));
  g_strfreev(lines);
}

static gboolean parse_line(const char *line, gboolean is_device, const Reading *reading, GError **error) {
  char **fields = g_strsplit(line, "\t", -1);
  gboolean ok;
  if (is_device) {
    ok = parse_device(fields, reading, error);
  } else {
    LwPeer *peer = lw_peer_new();
    g_ptr_array_add(reading->scratch->peers, peer);
    ok = parse_peer(fields, reading->secrets, peer, error);
  }
  clear_lines(fields);
  return ok;
}

static void move_settings(LwResource *from, LwResource *to) {
  g_free(to->private_key);
  to->private_key = g_steal_pointer(&from->private_key);
  to->listen_port = from->listen_port;
  to->mark = from->mark;
  g_ptr_array_unref(to->peers);
  to->peers = g_ptr_array_ref(from->peers);
}

gboolean lw_wg_parse_dump(const char *dump, LwSecretStore *secrets, LwResource *tunnel, GError **error) {
  g_autoptr(LwResource) scratch = lw_resource_new(LW_RES_TUNNEL, NULL, NULL);
  Reading reading = {scratch, secrets};
  g_autoptr(GError) inner = NULL;
  char **lines = g_strsplit(dump, "\n", -1);
  guint count = g_strv_length(lines);
  while (count > 0 && !*lines[count - 1])
    count--;
  gboolean ok = count > 0;
  for (guint i = 0; ok && i < count; i++)
    ok = parse_line(lines[i], i == 0, &reading, &inner);
  clear_lines(lines);
  if (ok)
    move_settings(scratch, tunnel);
  else if (inner)
    g_propagate_error(error, g_steal_pointer(&inner));
  else
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "what wg shows of a tunnel is not understood");
  return ok;
}

gboolean lw_wg_same_private_key(const char *given, const char *dumped) {
  gsize given_length = 0, dumped_length = 0;
  guchar *a = g_base64_decode(given, &given_length);
  guchar *b = g_base64_decode(dumped, &dumped_length);
  gboolean same = a && b && given_length == KEY_BYTES && dumped_length == KEY_BYTES;
  if (same) {
    a[0] &= 248;
    a[31] = (guchar)((a[31] & 127) | 64);
    same = memcmp(a, b, KEY_BYTES) == 0;
  }
  if (a)
    explicit_bzero(a, given_length);
  if (b)
    explicit_bzero(b, dumped_length);
  g_free(a);
  g_free(b);
  return same;
}
