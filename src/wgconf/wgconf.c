#include "wgconf/wgconf.h"

#include <stdarg.h>
#include <string.h>

/* A piece of the text. Values are looked at where they are: a key that is copied is a key to be wiped. */
typedef struct {
  const char *start;
  gsize length;
  guint column; /* from 1 */
} Piece;

typedef enum { IN_NOTHING, IN_INTERFACE, IN_PEER, IN_UNKNOWN } Section;

typedef struct {
  guint line;
  guint seen; /* bits of the keys that may stand once */
  char *public_key;
  LwSecretRef *preshared_key;
  char *endpoint_host;
  guint16 endpoint_port;
  GArray *allowed;
  guint keepalive;
  guint default_line; /* of AllowedIPs with 0.0.0.0/0; 0: none */
  guint endpoint_line;
} Peer;

typedef struct {
  LwSecretStore *store;
  LwWireguard wg; /* the [Interface] half */
  GPtrArray *peers;
  GPtrArray *notes;
  gboolean failed;
  Section section;
  guint line;
  guint interface_line;
  guint seen;
} Reader;

void lw_wg_note_free(LwWgNote *note) {
  if (!note)
    return;
  g_free(note->message);
  g_free(note);
}

void lw_wireguard_clear(LwWireguard *wg) {
  g_free(wg->private_key);
  g_free(wg->peer_public_key);
  g_free(wg->preshared_key);
  g_free(wg->endpoint_host);
  g_clear_pointer(&wg->addresses, g_array_unref);
  g_clear_pointer(&wg->dns, g_array_unref);
  g_clear_pointer(&wg->allowed, g_array_unref);
  memset(wg, 0, sizeof *wg);
}

static void wireguard_init(LwWireguard *wg) {
  memset(wg, 0, sizeof *wg);
  wg->addresses = g_array_new(FALSE, TRUE, sizeof(LwPrefix));
  wg->dns = g_array_new(FALSE, TRUE, sizeof(LwAddr));
  wg->allowed = g_array_new(FALSE, TRUE, sizeof(LwPrefix));
}

static void peer_free(gpointer data) {
  Peer *peer = data;
  g_free(peer->public_key);
  g_free(peer->preshared_key);
  g_free(peer->endpoint_host);
  g_array_unref(peer->allowed);
  g_free(peer);
}

static void note(Reader *reader, gboolean is_error, guint line, guint column, const char *format, ...)
    G_GNUC_PRINTF(5, 6);

static void note(Reader *reader, gboolean is_error, guint line, guint column, const char *format, ...) {
  LwWgNote *made = g_new0(LwWgNote, 1);
  made->line = line ? line : 1;
  made->column = column ? column : 1;
  made->is_error = is_error;
  va_list args;
  va_start(args, format);
  made->message = g_strdup_vprintf(format, args);
  va_end(args);
  g_ptr_array_add(reader->notes, made);
  reader->failed |= is_error;
}

static Piece trim(Piece piece) {
  while (piece.length && g_ascii_isspace(*piece.start)) {
    piece.start++;
    piece.length--;
    piece.column++;
  }
  while (piece.length && g_ascii_isspace(piece.start[piece.length - 1]))
    piece.length--;
  return piece;
}

static gboolean piece_is(const Piece *piece, const char *word) {
  return piece->length == strlen(word) && g_ascii_strncasecmp(piece->start, word, piece->length) == 0;
}

/* Takes what stands before the next comma off the front of *rest. */
static gboolean next_item(Piece *rest, Piece *item) {
  if (!rest->start)
    return FALSE;
  const char *comma = memchr(rest->start, ',', rest->length);
  gsize length = comma ? (gsize)(comma - rest->start) : rest->length;
  *item = trim((Piece){rest->start, length, rest->column});
  if (comma)
    *rest = (Piece){comma + 1, rest->length - length - 1, rest->column + (guint)length + 1};
  else
    rest->start = NULL;
  return TRUE;
}

static gboolean piece_number(const Piece *piece, guint64 max, guint64 *out) {
  g_autofree char *text = g_strndup(piece->start, piece->length);
  if (g_str_has_prefix(text, "0x") || g_str_has_prefix(text, "0X"))
    return g_ascii_string_to_unsigned(text + 2, 16, 0, max, out, NULL);
  return g_ascii_string_to_unsigned(text, 10, 0, max, out, NULL);
}

/* 32 bytes in canonical base64: 43 characters and one "=", the last character's two spare bits clear. */
static gboolean is_key(const Piece *piece) {
  if (piece->length != 44 || piece->start[43] != '=')
    return FALSE;
  for (guint i = 0; i < 43; i++)
    if (!g_ascii_isalnum(piece->start[i]) && piece->start[i] != '+' && piece->start[i] != '/')
      return FALSE;
  return strchr("AEIMQUYcgkosw048", piece->start[42]) != NULL;
}

/* A private key as X25519 uses it (RFC 7748, 5): what wg(8) shows of an unclamped one, so that the two
 * compare equal. */
static void clamp(char *key /* canonical base64 */) {
  gsize length;
  guchar *bytes = g_base64_decode(key, &length);
  bytes[0] &= 248;
  bytes[length - 1] = (guchar)((bytes[length - 1] & 127) | 64);
  char *clamped = g_base64_encode(bytes, length);
  memcpy(key, clamped, strlen(key));
  explicit_bzero(bytes, length);
  g_free(bytes);
  lw_secret_clear(clamped);
}

static LwSecretRef *keep_secret(Reader *reader, const Piece *value, const char *key) {
  if (!is_key(value)) {
    note(reader, TRUE, reader->line, value->column,
         "%s is not a WireGuard key: 44 characters of base64 (32 bytes)", key);
    return NULL;
  }
  char *secret = g_strndup(value->start, value->length);
  if (g_str_equal(key, "PrivateKey"))
    clamp(secret);
  g_autoptr(GError) error = NULL;
  LwSecretRef *ref = lw_secret_store_put(reader->store, secret, &error);
  lw_secret_clear(secret);
  if (!ref)
    note(reader, TRUE, reader->line, value->column, "%s cannot be kept: %s", key, error->message);
  return ref;
}

/* Prefixes of a comma list. masked: AllowedIPs, where host bits mean nothing. Returns whether one of them
 * was 0.0.0.0/0. */
static gboolean read_prefixes(Reader *reader, Piece value, const char *key, gboolean masked, GArray *out) {
  gboolean has_default = FALSE, six = FALSE;
  Piece item;
  while (next_item(&value, &item)) {
    g_autofree char *text = g_strndup(item.start, item.length);
    LwPrefix prefix;
    if (item.length == 0 && masked)
      continue;
    if (!lw_prefix_parse(text, &prefix)) {
      note(reader, TRUE, reader->line, item.column, "%s: not an address with a length, as in 10.64.0.2/32",
           key);
      continue;
    }
    if (masked)
      prefix = lw_prefix_network(&prefix);
    six |= prefix.addr.family == 6;
    has_default |= prefix.addr.family == 4 && prefix.len == 0;
    g_array_append_val(out, prefix);
  }
  if (six)
    note(reader, FALSE, reader->line, value.column, "%s: IPv6 is ignored, and dropped everywhere in the lab",
         key);
  return has_default;
}

static void read_dns(Reader *reader, Piece value) {
  gboolean six = FALSE;
  Piece item;
  while (next_item(&value, &item)) {
    g_autofree char *text = g_strndup(item.start, item.length);
    LwAddr addr;
    if (item.length == 0)
      note(reader, TRUE, reader->line, item.column, "DNS: an empty entry");
    else if (lw_addr_parse(text, &addr)) {
      six |= addr.family == 6;
      g_array_append_val(reader->wg.dns, addr);
    } else
      note(reader, FALSE, reader->line, item.column, "DNS: a search domain is ignored, only addresses count");
  }
  if (six)
    note(reader, FALSE, reader->line, value.column,
         "DNS: IPv6 is ignored, and dropped everywhere in the lab");
}

static gboolean endpoint_host_ok(const char *host, gboolean bracketed) {
  LwAddr addr;
  if (bracketed)
    return lw_addr_parse(host, &addr) && addr.family == 6;
  gsize length = strlen(host);
  if (length == 0 || length > 253 || host[0] == '-' || host[0] == '.')
    return FALSE;
  for (const char *p = host; *p; p++)
    if (!g_ascii_isalnum(*p) && *p != '.' && *p != '-' && *p != '_')
      return FALSE;
  /* Digits and dots alone are meant as an address: 10.1 or 1.2.3.400 is a slip, not a name. */
  return strspn(host, "0123456789.") != length || lw_addr_parse(host, &addr);
}

static void read_endpoint(Reader *reader, Peer *peer, const Piece *value) {
  g_autofree char *text = g_strndup(value->start, value->length);
  char *colon = strrchr(text, ':');
  guint64 port;
  if (!colon || !g_ascii_string_to_unsigned(colon + 1, 10, 1, G_MAXUINT16, &port, NULL)) {
    note(reader, TRUE, reader->line, value->column,
         "Endpoint needs a port after the last colon, as in vpn.example.net:51820");
    return;
  }
  *colon = '\0';
  gsize length = strlen(text);
  gboolean bracketed = length >= 2 && text[0] == '[' && text[length - 1] == ']';
  g_autofree char *host = bracketed ? g_strndup(text + 1, length - 2) : g_strdup(text);
  if (!endpoint_host_ok(host, bracketed)) {
    note(reader, TRUE, reader->line, value->column,
         "Endpoint is neither NAME:PORT nor ADDRESS:PORT nor [IPV6]:PORT");
    return;
  }
  if (bracketed)
    note(reader, FALSE, reader->line, value->column,
         "Endpoint is an IPv6 address: WAN has no IPv6, this tunnel will not come up");
  g_free(peer->endpoint_host);
  peer->endpoint_host = g_steal_pointer(&host);
  peer->endpoint_port = (guint16)port;
  peer->endpoint_line = reader->line;
}

typedef enum {
  KEY_PRIVATE = 1,
  KEY_LISTEN = 2,
  KEY_FWMARK = 4,
  KEY_MTU = 8,
  KEY_PUBLIC = 16,
  KEY_PRESHARED = 32,
  KEY_ENDPOINT = 64,
  KEY_KEEPALIVE = 128,
} OnceKey;

static gboolean first_time(Reader *reader, guint *seen, OnceKey key, const Piece *name, const char *spelled) {
  if (*seen & (guint)key) {
    note(reader, TRUE, reader->line, name->column, "%s stands twice in one section", spelled);
    return FALSE;
  }
  *seen |= (guint)key;
  return TRUE;
}

static void read_number(Reader *reader, const Piece *value, const char *key, guint64 min, guint64 max,
                        guint64 *out) {
  if (!piece_number(value, max, out) || *out < min) {
    note(reader, TRUE, reader->line, value->column,
         "%s is not a number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, key, min, max);
    *out = 0;
  }
}

/* An unknown word may be half a key that somebody pasted: only short plain words are repeated. */
static void unknown_key(Reader *reader, const Piece *name, const char *section) {
  gboolean plain = name->length > 0 && name->length <= 20;
  for (gsize i = 0; plain && i < name->length; i++)
    plain = g_ascii_isalpha(name->start[i]);
  if (plain)
    note(reader, TRUE, reader->line, name->column, "unknown key %.*s in [%s]", (int)name->length, name->start,
         section);
  else
    note(reader, TRUE, reader->line, name->column, "unknown key in [%s]", section);
}

static const char *const ignored_keys[] = {"PreUp", "PostUp", "PreDown", "PostDown", "Table", "SaveConfig"};

static gboolean ignored_key(Reader *reader, const Piece *name) {
  for (guint i = 0; i < G_N_ELEMENTS(ignored_keys); i++)
    if (piece_is(name, ignored_keys[i])) {
      note(reader, FALSE, reader->line, name->column,
           "%s is ignored: lanward runs no hooks and sets its own routes", ignored_keys[i]);
      return TRUE;
    }
  return FALSE;
}

static void interface_key(Reader *reader, const Piece *name, const Piece *value) {
  guint64 number = 0;
  if (piece_is(name, "PrivateKey")) {
    if (first_time(reader, &reader->seen, KEY_PRIVATE, name, "PrivateKey"))
      reader->wg.private_key = keep_secret(reader, value, "PrivateKey");
  } else if (piece_is(name, "Address")) {
    read_prefixes(reader, *value, "Address", FALSE, reader->wg.addresses);
  } else if (piece_is(name, "DNS")) {
    read_dns(reader, *value);
  } else if (piece_is(name, "MTU")) {
    if (first_time(reader, &reader->seen, KEY_MTU, name, "MTU"))
      read_number(reader, value, "MTU", 576, 65535, &number);
    reader->wg.mtu = number ? (guint)number : reader->wg.mtu;
  } else if (piece_is(name, "ListenPort")) {
    if (first_time(reader, &reader->seen, KEY_LISTEN, name, "ListenPort"))
      read_number(reader, value, "ListenPort", 0, 65535, &number);
    reader->wg.listen_port = number ? (guint16)number : reader->wg.listen_port;
  } else if (piece_is(name, "FwMark")) {
    if (first_time(reader, &reader->seen, KEY_FWMARK, name, "FwMark") && !piece_is(value, "off"))
      read_number(reader, value, "FwMark", 0, G_MAXUINT32, &number);
    reader->wg.fwmark = number ? (guint32)number : reader->wg.fwmark;
  } else if (!ignored_key(reader, name)) {
    unknown_key(reader, name, "Interface");
  }
}

static void peer_key(Reader *reader, const Piece *name, const Piece *value) {
  Peer *peer = reader->peers->pdata[reader->peers->len - 1];
  guint64 number = 0;
  if (piece_is(name, "PublicKey")) {
    if (!first_time(reader, &peer->seen, KEY_PUBLIC, name, "PublicKey"))
      return;
    if (is_key(value))
      peer->public_key = g_strndup(value->start, value->length);
    else
      note(reader, TRUE, reader->line, value->column,
           "PublicKey is not a WireGuard key: 44 characters of base64 (32 bytes)");
  } else if (piece_is(name, "PresharedKey")) {
    if (first_time(reader, &peer->seen, KEY_PRESHARED, name, "PresharedKey"))
      peer->preshared_key = keep_secret(reader, value, "PresharedKey");
  } else if (piece_is(name, "Endpoint")) {
    if (first_time(reader, &peer->seen, KEY_ENDPOINT, name, "Endpoint"))
      read_endpoint(reader, peer, value);
  } else if (piece_is(name, "AllowedIPs")) {
    if (read_prefixes(reader, *value, "AllowedIPs", TRUE, peer->allowed) && !peer->default_line)
      peer->default_line = reader->line;
  } else if (piece_is(name, "PersistentKeepalive")) {
    if (first_time(reader, &peer->seen, KEY_KEEPALIVE, name, "PersistentKeepalive") &&
        !piece_is(value, "off"))
      read_number(reader, value, "PersistentKeepalive", 0, 65535, &number);
    peer->keepalive = number ? (guint)number : peer->keepalive;
  } else {
    unknown_key(reader, name, "Peer");
  }
}

static void open_section(Reader *reader, const Piece *line) {
  if (piece_is(line, "[Interface]")) {
    if (reader->interface_line)
      note(reader, TRUE, reader->line, line->column, "a second [Interface] (the first is in line %u)",
           reader->interface_line);
    else
      reader->interface_line = reader->line;
    reader->section = IN_INTERFACE;
  } else if (piece_is(line, "[Peer]")) {
    Peer *peer = g_new0(Peer, 1);
    peer->line = reader->line;
    peer->allowed = g_array_new(FALSE, TRUE, sizeof(LwPrefix));
    g_ptr_array_add(reader->peers, peer);
    reader->section = IN_PEER;
  } else {
    note(reader, TRUE, reader->line, line->column, "unknown section: only [Interface] and [Peer] are known");
    reader->section = IN_UNKNOWN;
  }
}

static void read_line(Reader *reader, Piece line) {
  const char *hash = memchr(line.start, '#', line.length);
  if (hash)
    line.length = (gsize)(hash - line.start);
  line = trim(line);
  if (line.length == 0)
    return;
  if (line.start[0] == '[') {
    open_section(reader, &line);
    return;
  }
  const char *equals = memchr(line.start, '=', line.length);
  if (!equals) {
    note(reader, TRUE, reader->line, line.column, "neither a section nor KEY = VALUE");
    return;
  }
  gsize before = (gsize)(equals - line.start);
  Piece name = trim((Piece){line.start, before, line.column});
  Piece value = trim((Piece){equals + 1, line.length - before - 1, line.column + (guint)before + 1});
  if (reader->section == IN_NOTHING)
    note(reader, TRUE, reader->line, name.column, "a key before the first section: [Interface] is missing");
  else if (value.length == 0 && !piece_is(&name, "AllowedIPs"))
    note(reader, TRUE, reader->line, name.column, "a key without a value");
  else if (reader->section == IN_INTERFACE)
    interface_key(reader, &name, &value);
  else if (reader->section == IN_PEER)
    peer_key(reader, &name, &value);
}

static gboolean has_family_4(const GArray *prefixes) {
  for (guint i = 0; i < prefixes->len; i++)
    if (g_array_index(prefixes, LwPrefix, i).addr.family == 4)
      return TRUE;
  return FALSE;
}

static void check_interface(Reader *reader, gboolean allow_missing_key) {
  if (!reader->interface_line) {
    note(reader, TRUE, 1, 1, "no [Interface]: not a wg-quick file");
    return;
  }
  if (!(reader->seen & KEY_PRIVATE))
    note(reader, !allow_missing_key, reader->interface_line, 1, "[Interface] has no PrivateKey");
  if (!has_family_4(reader->wg.addresses))
    note(reader, TRUE, reader->interface_line, 1, "[Interface] has no IPv4 Address");
}

/* The one peer that has an Endpoint, or NULL and notes. */
static Peer *choose_peer(Reader *reader) {
  Peer *chosen = NULL, *first_default = NULL;
  for (guint i = 0; i < reader->peers->len; i++) {
    Peer *peer = reader->peers->pdata[i];
    if (peer->default_line && first_default)
      note(reader, TRUE, peer->default_line, 1, "two peers have AllowedIPs 0.0.0.0/0 (the other in line %u)",
           first_default->default_line);
    else if (peer->default_line)
      first_default = peer;
    if (peer->endpoint_line && chosen)
      note(reader, TRUE, peer->endpoint_line, 1,
           "two peers have an Endpoint (the other in line %u): make a file, and a tunnel, of each",
           chosen->endpoint_line);
    else if (peer->endpoint_line)
      chosen = peer;
    if (!peer->public_key && !(peer->seen & KEY_PUBLIC))
      note(reader, TRUE, peer->line, 1, "[Peer] has no PublicKey");
  }
  if (reader->peers->len == 0)
    note(reader, TRUE, reader->interface_line, 1, "no [Peer]: there is nothing to connect to");
  else if (!chosen && !reader->failed)
    note(reader, TRUE, ((Peer *)reader->peers->pdata[0])->line, 1, "[Peer] has no Endpoint");
  return chosen;
}

static void take_peer(Reader *reader, Peer *peer) {
  for (guint i = 0; i < reader->peers->len; i++) {
    Peer *other = reader->peers->pdata[i];
    if (other != peer && !other->endpoint_line)
      note(reader, FALSE, other->line, 1, "this [Peer] has no Endpoint and is left out");
  }
  if (!has_family_4(peer->allowed))
    note(reader, TRUE, peer->line, 1, "[Peer] has no IPv4 AllowedIPs: nothing could be sent through it");
  else if (!peer->default_line)
    note(reader, FALSE, peer->line, 1,
         "AllowedIPs lacks 0.0.0.0/0: only the prefixes it names are reachable");
  LwWireguard *wg = &reader->wg;
  wg->peer_public_key = g_steal_pointer(&peer->public_key);
  wg->preshared_key = g_steal_pointer(&peer->preshared_key);
  wg->endpoint_host = g_steal_pointer(&peer->endpoint_host);
  wg->endpoint_port = peer->endpoint_port;
  wg->keepalive = peer->keepalive;
  g_array_unref(wg->allowed);
  wg->allowed = g_array_ref(peer->allowed);
}

static int compare_notes(gconstpointer a, gconstpointer b) {
  const LwWgNote *x = *(LwWgNote *const *)a, *y = *(LwWgNote *const *)b;
  if (x->line != y->line)
    return x->line < y->line ? -1 : 1;
  return x->column < y->column ? -1 : x->column > y->column;
}

gboolean lw_wgconf_parse(const char *text, gsize length, LwSecretStore *store, gboolean allow_missing_key,
                         LwWireguard *out, GPtrArray *notes) {
  g_autoptr(GPtrArray) peers = g_ptr_array_new_with_free_func(peer_free);
  g_autoptr(GPtrArray) own_notes = g_ptr_array_new();
  Reader reader = {.store = store, .peers = peers, .notes = own_notes};
  wireguard_init(&reader.wg);
  const char *p = text, *end = text + length;
  if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
    p += 3;
  if (memchr(text, '\0', length))
    note(&reader, TRUE, 1, 1, "holds a NUL byte: not a text file");
  while (p < end && !memchr(text, '\0', length)) {
    const char *newline = memchr(p, '\n', (gsize)(end - p));
    const char *stop = newline ? newline : end;
    reader.line++;
    read_line(&reader, (Piece){p, (gsize)(stop - p), 1});
    p = newline ? newline + 1 : end;
  }
  check_interface(&reader, allow_missing_key);
  Peer *peer = choose_peer(&reader);
  if (peer)
    take_peer(&reader, peer);
  g_ptr_array_sort(own_notes, compare_notes);
  for (guint i = 0; i < own_notes->len; i++)
    g_ptr_array_add(notes, own_notes->pdata[i]);
  if (reader.failed)
    lw_wireguard_clear(&reader.wg);
  else
    *out = reader.wg;
  return !reader.failed;
}

void lw_wgconf_stand_in(const char *tunnel_name, guint index, LwWireguard *out) {
  wireguard_init(out);
  /* 10.64/16, 10.65/16, …: apart from what homes and providers commonly use; 192 nets, then the next row. */
  guint32 net = (10u << 24) | ((64u + index % 192u) << 16) | ((index / 192u % 256u) << 8);
  LwPrefix address = lw_prefix_make(lw_addr_from_v4(net | 2), 32);
  LwAddr dns = lw_addr_from_v4(net | 1);
  LwPrefix everything = lw_prefix_make(lw_addr_from_v4(0), 0);
  g_array_append_val(out->addresses, address);
  g_array_append_val(out->dns, dns);
  g_array_append_val(out->allowed, everything);
  out->mtu = 1420;
  out->endpoint_host = g_strconcat(tunnel_name, ".tunnel.test", NULL);
  out->endpoint_port = 51820;
  out->keepalive = 25;
}
