/* Unmodified wg-quick(8) files, read.
 *
 * Hooks (PreUp, PostUp, PreDown, PostDown), Table, SaveConfig are never carried out: each gives a warning
 * that names its line. IPv6 addresses and prefixes are kept in the result (the policy ignores them) and
 * named in a warning.
 */
#pragma once

#include "model/model.h"

/* One complaint about a place in a file. */
typedef struct {
  guint line;   /* from 1 */
  guint column; /* from 1 */
  gboolean is_error;
  char *message; /* never holds a key */
} LwWgNote;

void lw_wg_note_free(LwWgNote *note);

/* Reads text (as wg-quick would, sections [Interface] and exactly one [Peer] that has an Endpoint) into
 * *out (only written on success; clear with lw_wireguard_clear). Secrets go to the store, references to
 * *out. notes: every error and warning found, of LwWgNote*, in order of line. Returns FALSE when there is
 * an error. A file without PrivateKey is an error unless allow_missing_key. */
gboolean lw_wgconf_parse(const char *text, gsize length, LwSecretStore *store, gboolean allow_missing_key,
                         LwWireguard *out, GPtrArray *notes);
void lw_wireguard_clear(LwWireguard *wg);

/* A wg-quick file for the twin's own stand-in of a missing one, complete but for PrivateKey: a tunnel
 * address, DNS, an endpoint, all derived from the index (below LW_STAND_INS) so that several differ. */
#define LW_STAND_INS (192u * 256u)
void lw_wgconf_stand_in(const char *tunnel_name, guint index, LwWireguard *out);
