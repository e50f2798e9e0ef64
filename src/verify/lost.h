/* Each tunnel lost, by packets: what the static half proves of the kill switch is tried in a copy of the router,
 * since no probe takes a tunnel of a running lab away. */
#pragma once

#include "verify/static.h"

/* A link of the copy that the router does not have: what is caught leaves by it. */
#define LW_WITNESS_LINK "lw-witness"

typedef void (*LwLeft)(const char *link, const guint8 *packet, gsize length, gpointer data);

/* A copy of the router's namespace with its packet rules: who has one (cmd) lends it. */
typedef struct {
  gboolean (*lose)(const char *link, gboolean lost, gpointer data, GError **error);
  /* what no route of an exit refuses leaves by LW_WITNESS_LINK, whatever else would stop it then */
  gboolean (*catch_rest)(gboolean on, gpointer data, GError **error);
  gboolean (*send)(const char *link, const guint8 *packet, gsize length, gpointer data);
  void (*receive)(LwLeft left, gpointer left_data, gpointer data);
  gpointer data;
} LwRouterCopy;

/* For each tunnel, of what each segment sends by it, packets on both sides of its sets' edges, sent three times:
 * with the tunnel there (they leave by it: the copy is right), with it lost (they leave by nothing), and with all
 * that stands behind its exit's routes out of their way (still by nothing). Adds violations, packets, and to
 * left_out what could not be tried. */
void lw_verify_lost_tunnels(const LwLab *lab, const LwStatic *proof, const LwRouterCopy *copy,
                            LwVerifyReport *report);
