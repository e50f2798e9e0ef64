/* The virtual machine of an OPNsense router, as libvirt's domain XML, and the medium that its importer reads.
 *
 * The NICs are in the order that config.xml names them by: vtnet0 is WAN on the host's bridge, vtnet1
 * management, then the segments by their kept numbers, each on a root port of its own that its number
 * decides: FreeBSD numbers them as it finds them, by bus. A number that no segment has any more keeps its
 * place with a card that is plugged in nowhere. Defining and starting it is the libvirt provider's.
 */
#pragma once

#include "model/model.h"
#include "resource/facts.h"

typedef struct {
  const char *name;
  guint memory_mib, vcpus;
  const char *disk;   /* path of its disk, made of the nano image: vtbd0 */
  const char *medium; /* path of the medium with its config.xml, or NULL: vtbd1 */
} LwOpnVm;

#define LW_OPN_MEDIUM_DEVICE "vtbd1" /* what the importer is told on the console */

/* Transfer full. facts: assigned. Error (LW_ERROR_UNSUPPORTED): more NICs than root ports. */
char *lw_opn_domain_xml(const LwLab *lab, LwFacts *facts, const LwOpnVm *vm, GError **error);

/* Makes the medium: ISO 9660 with Rock Ridge and /conf/config.xml, as the importer mounts it, by xorriso.
 * config: a file of mode 0600; so is the medium: both hold keys. Nothing is left when it fails. */
gboolean lw_opn_medium_make(const char *path, const char *config, GError **error);
