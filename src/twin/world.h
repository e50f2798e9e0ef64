/* The world outside the lab, as resources for the same engine: home router, internet, one WireGuard provider
 * a tunnel, the host's services, and a cell for each machine.
 *
 *   internet (ns "internet") --- home router (ns "home-router") --- uplink of the host (the twin's own ns)
 *        |  \--- provider (ns "tun-NAME"), one a tunnel: exit address, DNAT of forwarded ports, resolver
 */
#pragma once

#include "model/model.h"
#include "resource/facts.h"
#include "resource/resource.h"

/* Where things are, for verify and tests. */
typedef struct {
  LwPrefix home_lan;        /* does not overlap the lab */
  LwAddr home_router;       /* in the home LAN; resolver and DHCP server */
  LwAddr home_public;       /* what the internet sees of everything that leaves by WAN */
  LwAddr home_host;         /* the host's own, on its bridge to the home LAN */
  LwAddr home_wan;          /* what the home router leases to the router's WAN leg */
  LwAddr echo;              /* echo.test: HTTP on 80, UDP on 7; as does every other public address */
  LwAddr internet_resolver; /* what "resolver.test" is to whoever asks in the internet itself */
  LwPrefix pool; /* all of the above that is public comes from here, and no address of the lab does */
  GHashTable *exit_public; /* tunnel name -> LwAddr* that the internet sees */
  GHashTable *resolver;    /* tunnel name -> LwAddr* of the provider's resolver, inside the tunnel */
  GHashTable *endpoint;    /* tunnel name -> LwAddr* */
} LwTwinWorld;

/* facts: numbers are assigned. What is where depends on them, not on the order of the file. */
LwTwinWorld *lw_twin_world_new(const LwLab *lab, const LwFacts *facts);
void lw_twin_world_free(LwTwinWorld *world);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwTwinWorld, lw_twin_world_free)

/* The namespace of the machine that stands for a network behind the host; its address is the prefix's .2. */
char *lw_twin_network_ns(const LwNetwork *network);

/* The number of a tunnel's provider, from 1: kept, whatever the order of the file becomes. */
guint lw_twin_tunnel_number(const LwLab *lab, const LwFacts *facts, guint tunnel);

/* The address that an endpoint's name resolves to in the twin's world. */
LwAddr lw_twin_world_endpoint(const LwTwinWorld *world, const LwLab *lab, guint tunnel);

/* A twin-only key pair (X25519, clamped): derived from seed (32 bytes, random, kept in the twin) and label.
 * Base64, transfer full. */
void lw_twin_key_pair(const guint8 seed[32], const char *label, char **private_key, char **public_key);

/* Adds the world's resources. wanted already holds the policy's (the router's TUNNEL resources get the
 * stand-in provider's public key in place of the file's, and a private key where the file has none).
 * lab_machines_as_cells: each machine's CELL and NETNS resources too; policy has already made their links. */
gboolean lw_twin_world_add(const LwTwinWorld *world, const LwLab *lab, const LwFacts *facts,
                           const guint8 seed[32], LwSecretStore *secrets, LwResourceSet *wanted,
                           GError **error);
