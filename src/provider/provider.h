/* What carries changes out on one part of the world.
 *
 * A provider owns some kinds of resources. The engine talks to it only through the wrapper at the end of this
 * file, which enforces the order observe -> check -> prepare -> (undo durable) -> apply, can inject a failure
 * at any step, and is the same for every provider. Changes come in batches: consecutive changes of one
 * provider and phase, in an order that the plan has fixed; the provider may merge them into one transaction
 * of its own. Undo is data: opaque, versioned bytes that undo() can carry out in another process, after a
 * crash, whether or not apply() ran, ran in part, or ran whole (idempotent).
 */
#pragma once

#include "base/secret.h"
#include "resource/resource.h"

#include <glib.h>

typedef struct LwProvider LwProvider;

typedef struct {
  const char *name;
  const LwResourceKind *kinds; /* ends in LW_RES_LAST */
  /* What it makes is still there when the machine has been started again (files, another machine's
     configuration), so its undo is needed then too. What is the kernel's is gone, and its undo with it. */
  gboolean outlives_boot;

  /* Reads what is there of these kinds. `wanted` and `owned` (nullable) are hints: what the caller will
     compare with, and what lanward made before; a provider may look at those alone, but must report every one
     of them that exists. Adds to `seen`. No side effects. */
  gboolean (*observe)(LwProvider *self, const LwResourceSet *wanted, const LwResourceSet *owned,
                      LwResourceSet *seen, GError **error);
  /* Would this batch be possible? No side effects. A foreign object in the way: LW_ERROR_CONFLICT. */
  gboolean (*check)(LwProvider *self, const GPtrArray *changes /* of LwChange* */, GError **error);
  /* The undo of the batch, as bytes. No side effects. */
  GBytes *(*prepare)(LwProvider *self, const GPtrArray *changes, GError **error);
  gboolean (*apply)(LwProvider *self, const GPtrArray *changes, GError **error);
  /* Puts back what prepare() saw. */
  gboolean (*undo)(LwProvider *self, GBytes *undo, GError **error);
  void (*free)(LwProvider *self);
} LwProviderOps;

/* What providers share. Owned by the caller, outlives them. */
typedef struct {
  LwSecretStore *secrets;
  const char *run_dir; /* pid files, configurations, leases of daemons; 0700 */
  const char *owner;   /* ownership mark: "lanward:LAB" */
  gboolean host; /* the machine itself, not a twin: its daemons (NetworkManager, libvirt) may be asked */
  const char *self_path;       /* this program, for hooks that call it back; nullable in tests */
  gboolean (*cancelled)(void); /* nullable: whether who started this has asked it to end: long waits look */
} LwProviderContext;

struct LwProvider {
  const LwProviderOps *ops;
  const LwProviderContext *context;
  /* a provider's own struct begins with this one */
};

void lw_provider_free(LwProvider *provider);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwProvider, lw_provider_free)
gboolean lw_provider_handles(const LwProvider *provider, LwResourceKind kind);

/* Test seam: called before each phase of each batch ("prepare", "apply", "undo"); returning FALSE with error
 * set makes the phase fail there. */
typedef gboolean (*LwInjector)(const LwProvider *provider, const char *phase, gpointer data, GError **error);

/* Makes the undo durable; apply() is called only after it returned TRUE. */
typedef gboolean (*LwUndoSink)(const LwProvider *provider, GBytes *undo, gpointer data, GError **error);

gboolean lw_provider_observe(LwProvider *provider, const LwResourceSet *wanted, const LwResourceSet *owned,
                             LwResourceSet *seen, GError **error);
gboolean lw_provider_check(LwProvider *provider, const GPtrArray *changes, GError **error);
/* prepare -> sink -> apply. On failure nothing is rolled back here: the engine undoes from its journal. */
gboolean lw_provider_carry_out(LwProvider *provider, const GPtrArray *changes, LwUndoSink sink,
                               gpointer sink_data, LwInjector injector /* nullable */, gpointer injector_data,
                               GError **error);
gboolean lw_provider_undo(LwProvider *provider, GBytes *undo, LwInjector injector, gpointer injector_data,
                          GError **error);

/* The generic undo: the changes themselves as JSON, versioned. Good for every provider whose undo is "apply
 * the reverse changes against what is seen then". */
GBytes *lw_undo_from_changes(const GPtrArray *changes);
/* The reverse changes, last first (transfer full, of LwChange*). */
GPtrArray *lw_undo_to_changes(GBytes *undo, GError **error);

/* What is left to do of an undo, against what the provider's observe() sees now: nothing for what is as it
 * was, else create, live, replace or delete (transfer full, of LwChange*, last of the batch first). Applying
 * the result is an idempotent undo. */
GPtrArray *lw_undo_pending(LwProvider *provider, GBytes *undo, GError **error);

/* In-memory provider for unit tests and injected failures: keeps a LwResourceSet as its world.
 * `world` is the caller's, and outlives it. It behaves as a kernel would: a link that exists already and does
 * not carry the owner's alias is a conflict, a veth goes with its other end, addresses and routes with their
 * link. */
LwProvider *lw_fake_provider_new(const LwProviderContext *context, const LwResourceKind *kinds,
                                 LwResourceSet *world);
