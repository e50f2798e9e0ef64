/* A lab as an OPNsense's config.xml: all of it, for the first boot of a new router.
 *
 * The same file gives the same text: UUIDs are derived from names, interfaces and WireGuard instances from
 * the numbers that are kept (LwFacts), rules stand in the order of the segments' numbers. What lanward owns
 * is described as "lanward: …".
 */
#pragma once

#include "base/secret.h"
#include "model/model.h"
#include "resource/facts.h"

/* Who may manage the router. All nullable: then there is no way in but the console. */
typedef struct {
  const char *password_hash;   /* bcrypt, $2y$… */
  const char *api_key;         /* "KEY|HASH": HASH a crypt of the secret ($6$…) */
  const char *authorized_keys; /* as in ~/.ssh/authorized_keys */
} LwOpnCredentials;

/* The text (transfer full), or NULL and error: a lab that OPNsense cannot be (LW_ERROR_UNSUPPORTED, with the
 * remedy). facts: assigned. secrets NULL: WireGuard's keys are left out (for comparing and tests); otherwise
 * the text holds them, so whoever writes it writes a file of mode 0600. notes: of char*, what the router will
 * not do that the file asks for. */
char *lw_opn_config(const LwLab *lab, LwFacts *facts, LwSecretStore *secrets,
                    const LwOpnCredentials *credentials, GPtrArray *notes, GError **error);

/* The keys of the interfaces, "opt2" and the like: lan is the management network, wan the uplink. Transfer
 * full. */
char *lw_opn_segment_interface(LwFacts *facts, const LwSegment *segment);
char *lw_opn_tunnel_interface(LwFacts *facts, const LwLab *lab, guint tunnel);
char *lw_opn_tunnel_gateway(const LwTunnel *tunnel); /* the gateway's name */
/* A UUID of version 4's shape that a kind and a name always get. Transfer full. */
char *lw_opn_uuid(const char *kind, const char *name);
