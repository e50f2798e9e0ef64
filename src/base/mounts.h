/* Private, writable views of folders of the host, for mount namespaces of our own. */
#pragma once

#include <glib.h>

/* Shows `source` at `target` (may be the same folder) so that whatever is written there stays in `scratch`, a
 * folder on a tmpfs. What lies in SCRATCH/upper beforehand covers what `source` has; a folder made there can
 * be written to even where the user could not write to the host's.
 *
 * An overlay where the kernel allows one. Where it does not (mounts of another namespace below `source`
 * cannot be cloned, old kernels), SCRATCH/upper itself is filled: links and small files as copies, the rest
 * bound read-only; deeper folders then cannot be written to, and still no write reaches the host. */
gboolean lw_mount_view(const char *source, const char *target, const char *scratch, GError **error);

/* Binds a file or folder with everything below it. */
gboolean lw_mount_bind(const char *source, const char *target, gboolean read_only, GError **error);

/* Makes PROC/sys read-only but for its net half: uid 0 of a user namespace that root made owns the host's
 * sysctl files. */
gboolean lw_mount_guard_sysctls(const char *proc, GError **error);
