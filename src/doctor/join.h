/* A lab that was read out of its router's configuration, and the machine that the router runs on: one file.
 * Pure.
 *
 * What ties them together: the router's domain has its NICs in the order that the configuration names them by
 * (vtnet2 is the third), so each segment's network and bridge are those of that NIC; and a domain's NIC is a
 * machine's by its MAC.
 */
#pragma once

#include "doctor/first.h"

/* Of the segments as the configuration numbers them. */
typedef struct {
  guint management;     /* the card of the management network; LW_NONE: not known */
  GHashTable *segments; /* segment's name -> GUINT_TO_POINTER(card); 0 is not in it */
} LwFirstCards;

/* Changes lab: uplink, bridges, networks, the router's domain, kinds and objects of machines; domains that it
 * does not have come into it. notes: of char*: what could not be told. FALSE and LW_ERROR_NOT_FOUND: no
 * uplink. */
gboolean lw_first_join(LwLab *lab, const LwFirstCards *cards, const LwSeen *seen,
                       const LwFirstAnswers *answers, GPtrArray *notes, GError **error);
