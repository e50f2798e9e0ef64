/* libnftables, wrapped once: commands in, text out, in a network namespace by name. */
#pragma once

#include <glib.h>

typedef enum {
  LW_NFT_JSON = 1,      /* output is JSON */
  LW_NFT_DRY = 2,       /* the kernel judges the transaction, and drops it */
  LW_NFT_STATELESS = 4, /* no counters in the output */
  LW_NFT_NUMERIC = 8,   /* transport protocols as numbers: their names come from a file. Other symbols as
                           numbers are   in the wrong byte order in 1.0.6 */
} LwNftFlags;

/* Carries out `commands` as one transaction. ns NULL or "": where we are. Returns the output (transfer full),
 * or NULL and error (LW_ERROR_FAILED with nft's first complaint). */
char *lw_nft_run(const char *ns, const char *commands, guint flags, GError **error);
/* TRUE: the transaction was larger than the socket's buffer may be. In a user namespace net.core.wmem_max
 * bounds it, elsewhere nothing does. */
gboolean lw_nft_was_too_long(const GError *error);
/* The same in a child process: libnftables has rules that it ends the whole process on when it lists them
 * (1.0.6: "meta l4proto 99" before a concatenation with "th dport"). *died (not written on success): it did.
 */
char *lw_nft_run_apart(const char *ns, const char *commands, guint flags, gboolean *died, GError **error);
/* Would these commands work in a network namespace that is new? */
gboolean lw_nft_try_fresh(const char *commands, GError **error);
