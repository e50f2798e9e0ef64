/* Any text is either refused with a note, or a tunnel that has what a tunnel needs. No note holds a key. */
#include "wgconf/wgconf.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const LwWireguard *wg) {
  if (!wg->peer_public_key || !wg->endpoint_host || !wg->endpoint_port || !wg->addresses->len ||
      !wg->allowed->len)
    g_error("a tunnel that lacks something");
  if (strlen(wg->peer_public_key) != 44)
    g_error("a public key of %zu letters", strlen(wg->peer_public_key));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  for (gboolean allow_missing = FALSE; allow_missing <= TRUE; allow_missing++) {
    g_autoptr(LwSecretStore) store = lw_secret_store_new(NULL);
    g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func((GDestroyNotify)lw_wg_note_free);
    g_autofree char *text = g_memdup2(data, size ? size : 1);
    LwWireguard wg;
    gboolean good = lw_wgconf_parse(text, size, store, allow_missing, &wg, notes), refused = FALSE;
    for (guint i = 0; i < notes->len; i++) {
      const LwWgNote *note = notes->pdata[i];
      refused |= note->is_error;
      for (const char *p = note->message; *p; p++)
        if (strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") > 30)
          g_error("a note that may hold a key: %s", note->message);
    }
    if (good == refused)
      g_error(good ? "a tunnel in spite of errors" : "no tunnel, and no word why");
    if (!good)
      continue;
    check(&wg);
    lw_wireguard_clear(&wg);
  }
  return 0;
}
