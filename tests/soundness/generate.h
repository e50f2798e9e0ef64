/* Random worlds around one router, as commands of ip(8) and of nft(8). */
#pragma once

#include <glib.h>

/* What is in a world. */
typedef struct {
  char *links;      /* ip -batch, run in "r" */
  char *rules;      /* nft -f */
  char **settings;  /* "net/ipv4/conf/e0/rp_filter=1" */
  gboolean bridged; /* e0 and e1 are ports of br0 */
  gboolean shown;   /* br_netfilter shows its frames to the IP tables */
} World;

World *world_new(GRand *random);
void world_free(World *world);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(World, world_free)

/* An address or a port out of those that rules and packets share, so that they meet. */
const char *pool_address(GRand *random, gboolean v6);
guint16 pool_port(GRand *random);
