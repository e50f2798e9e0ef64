#include "wgconf/wgconf.h"

#include <string.h>

#define PRIVATE "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" /* any 32 bytes */
#define CLAMPED "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHl8=" /* the same as X25519 uses it */
#define PUBLIC "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
#define SHARED "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8="

typedef struct {
  LwSecretStore *store;
  LwWireguard wg;
  GPtrArray *notes;
  gboolean good;
} Result;

static Result parse_sized(const char *text, gsize length, gboolean allow_missing) {
  Result result = {.store = lw_secret_store_new(NULL),
                   .notes = g_ptr_array_new_with_free_func((GDestroyNotify)lw_wg_note_free)};
  memset(&result.wg, 0x55, sizeof result.wg);
  result.good = lw_wgconf_parse(text, length, result.store, allow_missing, &result.wg, result.notes);
  for (guint i = 0; i < result.notes->len; i++) {
    const LwWgNote *note = result.notes->pdata[i];
    g_test_message("%u:%u %s: %s", note->line, note->column, note->is_error ? "error" : "warning",
                   note->message);
    g_assert_null(strstr(note->message, "AAEC")); /* never a key */
    g_assert_null(strstr(note->message, "QEFC"));
    g_assert_cmpuint(note->line, >, 0);
    if (i)
      g_assert_cmpuint(note->line, >=, ((LwWgNote *)result.notes->pdata[i - 1])->line);
  }
  return result;
}

static Result parse(const char *text) {
  return parse_sized(text, strlen(text), FALSE);
}

static void clear(Result *result) {
  if (result->good)
    lw_wireguard_clear(&result->wg);
  else
    g_assert_cmphex(((guint8 *)&result->wg)[0], ==, 0x55); /* not written on failure */
  lw_secret_store_free(result->store);
  g_ptr_array_unref(result->notes);
}

static gboolean has_note(const Result *result, gboolean is_error, guint line, const char *substring) {
  for (guint i = 0; i < result->notes->len; i++) {
    const LwWgNote *note = result->notes->pdata[i];
    if (note->is_error == is_error && note->line == line && strstr(note->message, substring))
      return TRUE;
  }
  return FALSE;
}

static void assert_prefix(const GArray *array, guint index, const char *wanted) {
  g_assert_cmpuint(index, <, array->len);
  g_autofree char *text = lw_prefix_format(&g_array_index(array, LwPrefix, index));
  g_assert_cmpstr(text, ==, wanted);
}

/* As providers write them: any case, CRLF, BOM, comments, repeated lines and comma lists. */
static void test_whole(void) {
  Result result =
      parse("\xef\xbb\xbf# a provider's\r\n[interface]\r\nprivatekey=" PRIVATE " # mine\r\n"
            "ADDRESS = 10.64.0.2/32, fd00::2/128\r\nAddress = 10.64.0.3\r\nDNS = 10.64.0.1\r\n"
            "dns = 9.9.9.9, example.net, fd00::1\r\nMTU = 1380\r\nListenPort = 51821\r\nFwMark = 0x51\r\n"
            "\r\n[PEER]\r\nPublicKey = " PUBLIC "\r\nPresharedKey=" SHARED "\r\n"
            "AllowedIPs = 0.0.0.0/0\r\nallowedips = ::/0, 10.1.2.3/8\r\nEndpoint = Vpn.Example.net:51820\r\n"
            "PersistentKeepalive = 25\r\n");
  g_assert_true(result.good);
  assert_prefix(result.wg.addresses, 0, "10.64.0.2/32");
  assert_prefix(result.wg.addresses, 1, "fd00::2/128");
  assert_prefix(result.wg.addresses, 2, "10.64.0.3/32");
  assert_prefix(result.wg.allowed, 2, "10.0.0.0/8");
  g_assert_cmpuint(result.wg.dns->len, ==, 3);
  g_assert_cmpuint(result.wg.mtu, ==, 1380);
  g_assert_cmpuint(result.wg.listen_port, ==, 51821);
  g_assert_cmpuint(result.wg.fwmark, ==, 0x51);
  g_assert_cmpstr(result.wg.peer_public_key, ==, PUBLIC);
  g_assert_cmpstr(result.wg.endpoint_host, ==, "Vpn.Example.net");
  g_assert_cmpuint(result.wg.endpoint_port, ==, 51820);
  g_assert_cmpuint(result.wg.keepalive, ==, 25);
  g_autofree char *key = lw_secret_store_get(result.store, result.wg.private_key, NULL);
  g_assert_cmpstr(key, ==, CLAMPED);
  g_autofree char *shared = lw_secret_store_get(result.store, result.wg.preshared_key, NULL);
  g_assert_cmpstr(shared, ==, SHARED);
  g_assert_true(has_note(&result, FALSE, 4, "IPv6 is ignored"));
  g_assert_true(has_note(&result, FALSE, 7, "search domain"));
  clear(&result);
}

#define INTERFACE "[Interface]\nPrivateKey = " PRIVATE "\nAddress = 10.64.0.2/32\n"
#define PEER "[Peer]\nPublicKey = " PUBLIC "\nEndpoint = 192.0.2.1:51820\nAllowedIPs = 0.0.0.0/0\n"

static void test_hooks(void) {
  Result result = parse(
      INTERFACE "PreUp = a\nPostUp = b\nPreDown = c\nPostDown = d\nTable = off\nSaveConfig = true\n" PEER);
  g_assert_true(result.good);
  g_assert_cmpuint(result.notes->len, ==, 6);
  for (guint line = 4; line <= 9; line++)
    g_assert_true(has_note(&result, FALSE, line, "is ignored"));
  clear(&result);
}

static void test_endpoints(void) {
  static const struct {
    const char *text, *host;
    guint16 port;
  } cases[] = {{"vpn.example.net:1", "vpn.example.net", 1},
               {"192.0.2.7:65535", "192.0.2.7", 65535},
               {"[2001:db8::1]:51820", "2001:db8::1", 51820},
               {"localhost:5", "localhost", 5},
               {"vpn.example.net", NULL, 0},
               {"vpn.example.net:0", NULL, 0},
               {"vpn.example.net:65536", NULL, 0},
               {"2001:db8::1:51820", NULL, 0},
               {"[192.0.2.1]:5", NULL, 0},
               {"192.0.2:5", NULL, 0},
               {"vpn example:5", NULL, 0},
               {":5", NULL, 0},
               {"-x:5", NULL, 0}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *text = g_strdup_printf(
        INTERFACE "[Peer]\nPublicKey = " PUBLIC "\nEndpoint = %s\nAllowedIPs = 0.0.0.0/0\n", cases[i].text);
    Result result = parse(text);
    g_test_message("endpoint %s", cases[i].text);
    g_assert_cmpint(result.good, ==, cases[i].host != NULL);
    if (result.good) {
      g_assert_cmpstr(result.wg.endpoint_host, ==, cases[i].host);
      g_assert_cmpuint(result.wg.endpoint_port, ==, cases[i].port);
    } else
      g_assert_true(has_note(&result, TRUE, 6, "Endpoint"));
    clear(&result);
  }
}

static void test_keys(void) {
  static const char *const bad[] = {"short",
                                    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
                                    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=",
                                    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=x",
                                    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdH*8=",
                                    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdH==="};
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autofree char *text =
        g_strdup_printf("[Interface]\nPrivateKey = %s\nAddress = 10.64.0.2\n" PEER, bad[i]);
    Result result = parse(text);
    g_assert_true(has_note(&result, TRUE, 2, "not a WireGuard key"));
    clear(&result);
  }
}

static void test_errors(void) {
  static const struct {
    const char *text, *substring;
    guint line;
  } cases[] = {
      {"", "no [Interface]", 1},
      {"PrivateKey = x\n", "before the first section", 1},
      {INTERFACE, "no [Peer]", 1},
      {INTERFACE PEER PEER, "two peers have an Endpoint", 10},
      {INTERFACE PEER PEER, "two peers have AllowedIPs", 11},
      {INTERFACE "[Peer]\nPublicKey = " PUBLIC "\nAllowedIPs = 0.0.0.0/0\n", "no Endpoint", 4},
      {INTERFACE "[Peer]\nEndpoint = a:1\nAllowedIPs = 0.0.0.0/0\n", "no PublicKey", 4},
      {INTERFACE "[Peer]\nPublicKey = " PUBLIC "\nEndpoint = a:1\n", "no IPv4 AllowedIPs", 4},
      {INTERFACE INTERFACE PEER, "a second [Interface]", 4},
      {INTERFACE "PrivateKey = " SHARED "\n" PEER, "stands twice", 4},
      {INTERFACE "MTU = 70000\n" PEER, "MTU is not a number", 4},
      {INTERFACE "ListenPort = -1\n" PEER, "ListenPort is not a number", 4},
      {INTERFACE "Jc = 4\n" PEER, "unknown key Jc", 4},
      {INTERFACE PRIVATE "\n" PEER, "without a value", 4},
      {INTERFACE PRIVATE " = 1\n" PEER, "unknown key in [Interface]", 4},
      {INTERFACE "nonsense\n" PEER, "neither a section nor", 4},
      {INTERFACE "DNS =\n" PEER, "without a value", 4},
      {INTERFACE "[Server]\na = b\n" PEER, "unknown section", 4},
      {"[Interface]\nAddress = 10.64.0.2\n" PEER, "no PrivateKey", 1},
      {"[Interface]\nPrivateKey = " PRIVATE "\nAddress = fd00::2/64\n" PEER, "no IPv4 Address", 1},
      {"[Interface]\nPrivateKey = " PRIVATE "\nAddress = 10.64.0.2/33\n" PEER, "not an address", 3},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    Result result = parse(cases[i].text);
    g_test_message("case %u", i);
    g_assert_false(result.good);
    g_assert_true(has_note(&result, TRUE, cases[i].line, cases[i].substring));
    clear(&result);
  }
  Result nul = parse_sized("[Interface]\n\0x", 14, FALSE);
  g_assert_false(nul.good);
  clear(&nul);
}

static void test_missing_key(void) {
  static const char text[] = "[Interface]\nAddress = 10.64.0.2\n" PEER;
  Result result = parse_sized(text, strlen(text), TRUE);
  g_assert_true(result.good);
  g_assert_null(result.wg.private_key);
  g_assert_true(has_note(&result, FALSE, 1, "no PrivateKey"));
  clear(&result);
}

/* A second peer that cannot be called is left out, aloud. */
static void test_passive_peer(void) {
  Result result = parse(INTERFACE "[Peer]\nPublicKey = " SHARED "\nAllowedIPs = 10.9.0.0/16\n" PEER);
  g_assert_true(result.good);
  g_assert_cmpstr(result.wg.peer_public_key, ==, PUBLIC);
  g_assert_true(has_note(&result, FALSE, 4, "left out"));
  clear(&result);
}

static void test_stand_in(void) {
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < 1024; i++) {
    LwWireguard wg;
    lw_wgconf_stand_in("se", i, &wg);
    g_assert_null(wg.private_key);
    g_assert_null(wg.peer_public_key);
    g_assert_cmpstr(wg.endpoint_host, ==, "se.tunnel.test");
    g_assert_cmpuint(wg.endpoint_port, ==, 51820);
    g_assert_true(g_hash_table_add(seen, lw_prefix_format(&g_array_index(wg.addresses, LwPrefix, 0))));
    if (i == 2) {
      assert_prefix(wg.addresses, 0, "10.66.0.2/32");
      assert_prefix(wg.allowed, 0, "0.0.0.0/0");
      g_autofree char *dns = lw_addr_format(&g_array_index(wg.dns, LwAddr, 0));
      g_assert_cmpstr(dns, ==, "10.66.0.1");
    }
    lw_wireguard_clear(&wg);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/wgconf/whole", test_whole);
  g_test_add_func("/wgconf/hooks", test_hooks);
  g_test_add_func("/wgconf/endpoints", test_endpoints);
  g_test_add_func("/wgconf/keys", test_keys);
  g_test_add_func("/wgconf/errors", test_errors);
  g_test_add_func("/wgconf/missing-key", test_missing_key);
  g_test_add_func("/wgconf/passive-peer", test_passive_peer);
  g_test_add_func("/wgconf/stand-in", test_stand_in);
  return g_test_run();
}
