/* Shared by the I/O half of the kernel provider. */
#pragma once

#include "providers/kernel/kernel.h"
#include "providers/kernel/rtnl.h"

typedef struct {
  LwProvider base;
  GHashTable *sockets; /* namespace -> LwRtnl* */
  gboolean ipv6;       /* the kernel has it */
} Kernel;

/* The cached socket of a namespace; borrowed. */
LwRtnl *lw_kernel_socket(Kernel *kernel, const char *ns, GError **error);
/* An open socket would keep a deleted namespace alive. */
void lw_kernel_forget(Kernel *kernel, const char *ns);

/* What is known of a namespace's links, by name and by index. */
typedef struct {
  GHashTable *by_name;
  GHashTable *by_index;
  gboolean complete; /* from a dump: what is not here is not there */
} LwLinks;

LwLinks *lw_links_new(void);
void lw_links_free(LwLinks *links);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwLinks, lw_links_free)
gboolean lw_links_dump(LwLinks *links, LwRtnl *rtnl, GError **error);
/* Asks for one link unless it is known. FALSE only on trouble; *out is NULL when there is no such link. */
gboolean lw_links_find(LwLinks *links, LwRtnl *rtnl, const char *name, const LwLinkInfo **out,
                       GError **error);
/* Returns when a link's other end was taken down and its own listeners were told; that it is gone is as well.
 */
gboolean lw_links_wait_pulled(LwRtnl *rtnl, const char *name, GError **error);
const LwLinkInfo *lw_links_at(const LwLinks *links, int index); /* nullable */

/* Deletes links of one type in batches so small that nobody else waits long for the kernel's lock.
 * rtnl: of that namespace. infos: of LwLinkInfo*, not freed here. */
gboolean lw_kernel_delete_links(LwRtnl *rtnl, const char *ns, const GPtrArray *infos, gboolean bridges,
                                GError **error);

gboolean lw_kernel_observe(Kernel *kernel, const LwResourceSet *wanted, const LwResourceSet *owned,
                           LwResourceSet *seen, GError **error);
gboolean lw_kernel_check(Kernel *kernel, const GPtrArray *changes, GError **error);
gboolean lw_kernel_apply(Kernel *kernel, const GPtrArray *changes, GError **error);

/* Settings of one namespace: reads into a list of the same length (NULL: there is none of that name); writes.
 */
GPtrArray *lw_kernel_read_sysctls(const char *ns, const GPtrArray *resources, GError **error);
gboolean lw_kernel_write_sysctls(const char *ns, const GPtrArray *resources, GError **error);
