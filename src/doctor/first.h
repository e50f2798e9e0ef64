/* A first file for a machine: pure, from what was seen of it. */
#pragma once

#include "doctor/seen.h"
#include "model/model.h"

/* What `init` may be told instead of finding it out. */
typedef struct {
  const char *name;   /* of the lab; nullable: "homelab" */
  const char *uplink; /* nullable: the NIC of the default route */
  LwPrefix subnet;    /* of the first segment; unset: the first free 192.168.N.0/24 from 10 on */
} LwFirstAnswers;

/* One segment that goes straight out, with every domain found in it. notes: of char*, what its owner should
 * know. NULL and LW_ERROR_NOT_FOUND when there is no uplink. Transfer full. */
LwLab *lw_first_lab(const LwSeen *seen, const LwFirstAnswers *answers, GPtrArray *notes, GError **error);

/* A lab that was made by hand, as a file whose plan takes nothing away: isolated networks of libvirt's and
 * bridges of domains as segments, NetworkManager's bridges as the host's, domains, containers and wg-quick
 * files. What libvirt itself routes (its "default") stays as it is. */
LwLab *lw_imported_lab(const LwSeen *seen, const LwFirstAnswers *answers, GPtrArray *notes, GError **error);

/* "My VM.1" -> "my-vm-1": what a name of the file may be, at most so long; never empty, and none of those
 * taken (a set of names, to which it is added). Transfer full. */
char *lw_first_name(const char *text, guint longest, GHashTable *taken);
