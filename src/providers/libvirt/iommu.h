/* Devices of the host handed through to a machine: a device goes with its whole IOMMU group. */
#pragma once

#include <glib.h>

/* sysfs: "/sys", or a tree of the same shape. devices: PCI addresses ("0000:01:00.0"). TRUE when each is
 * there, in an IOMMU group, and every other device of the group that is no bridge is in the list too.
 * LW_ERROR_UNSUPPORTED with the remedy otherwise. No side effects. An empty list is TRUE. */
gboolean lw_iommu_check(const char *sysfs, const GPtrArray *devices /* of char* */, GError **error);
/* The other devices of a device's group, bridges left out: of char*, sorted; NULL when it has no group.
 * Transfer full. */
GPtrArray *lw_iommu_group(const char *sysfs, const char *device);
