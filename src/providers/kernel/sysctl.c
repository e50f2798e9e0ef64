/* Settings under /proc/sys. Which namespace /proc/sys/net shows is the reading thread's. */
#include "base/error.h"
#include "base/netns.h"
#include "providers/kernel/kernel-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static char *read_one(const LwResource *resource) {
  g_autofree char *path = lw_sysctl_path(resource->name);
  g_autofree char *text = NULL;
  if (!path || !g_file_get_contents(path, &text, NULL, NULL))
    return NULL; /* not there (yet): as an interface's settings before the interface */
  return lw_sysctl_normalize(text);
}

GPtrArray *lw_kernel_read_sysctls(const char *ns, const GPtrArray *resources, GError **error) {
  int previous = lw_netns_enter(ns, error);
  if (previous < 0)
    return NULL;
  GPtrArray *values = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < resources->len; i++)
    g_ptr_array_add(values, read_one(resources->pdata[i]));
  lw_netns_leave(previous);
  return values;
}

static gboolean write_one(const LwResource *resource, GError **error) {
  const char *value = resource->value ? resource->value : "";
  g_autofree char *path = lw_sysctl_path(resource->name);
  g_autofree char *what = lw_resource_describe(resource);
  int fd = path ? open(path, O_WRONLY | O_CLOEXEC) : -1;
  if (!path)
    errno = EINVAL;
  gboolean ok = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);
  if (!ok)
    lw_error_set_errno(error, "cannot change %s to %s", what, value);
  if (fd >= 0)
    close(fd);
  return ok;
}

gboolean lw_kernel_write_sysctls(const char *ns, const GPtrArray *resources, GError **error) {
  int previous = lw_netns_enter(ns, error);
  if (previous < 0)
    return FALSE;
  gboolean ok = TRUE;
  for (guint i = 0; i < resources->len && ok; i++)
    ok = write_one(resources->pdata[i], error);
  lw_netns_leave(previous);
  return ok;
}
