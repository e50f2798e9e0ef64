#include "providers/nft/run.h"

#include "base/error.h"
#include "base/netns.h"

#include <errno.h>
#include <nftables/libnftables.h>
#include <sched.h>
#include <string.h>

typedef struct nft_ctx NftContext;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NftContext, nft_ctx_free)

/* "<cmdline>:3:5-9: Error: …": the place is in a text that nobody has seen; the complaint counts. */
static char *first_complaint(const char *output) {
  const char *at = output ? strstr(output, "Error: ") : NULL;
  if (at)
    at += strlen("Error: ");
  else
    at = output ? output : "";
  g_auto(GStrv) lines = g_strsplit(at, "\n", 4);
  if (!lines[0] || !*lines[0])
    return g_strdup("no reason given");
  g_autofree char *place = lines[1] ? g_strstrip(g_strndup(lines[1], 200)) : NULL;
  return place && *place ? g_strdup_printf("%s, at: %s", lines[0], place) : g_strdup(lines[0]);
}

static NftContext *make_context(guint flags, GError **error) {
  g_autoptr(NftContext) context = nft_ctx_new(NFT_CTX_DEFAULT);
  if (!context || nft_ctx_buffer_output(context) != 0 || nft_ctx_buffer_error(context) != 0) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "cannot start libnftables");
    return NULL;
  }
  guint output = 0;
  if (flags & LW_NFT_JSON)
    output |= NFT_CTX_OUTPUT_JSON;
  if (flags & LW_NFT_STATELESS)
    output |= NFT_CTX_OUTPUT_STATELESS;
  if (flags & LW_NFT_NUMERIC)
    output |= NFT_CTX_OUTPUT_NUMERIC_PROTO;
  nft_ctx_output_set_flags(context, output);
  nft_ctx_set_dry_run(context, (flags & LW_NFT_DRY) != 0);
  return g_steal_pointer(&context);
}

static char *run_here(const char *commands, guint flags, GError **error) {
  g_autoptr(NftContext) context = make_context(flags, error);
  if (!context)
    return NULL;
  if (nft_run_cmd_from_buffer(context, commands) == 0)
    return g_strdup(nft_ctx_get_output_buffer(context));
  g_autofree char *complaint = first_complaint(nft_ctx_get_error_buffer(context));
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "nftables: %s", complaint);
  return NULL;
}

/* libnftables opens its socket in the namespace that its context is made in. */
char *lw_nft_run(const char *ns, const char *commands, guint flags, GError **error) {
  if (!ns || !*ns)
    return run_here(commands, flags, error);
  int previous = lw_netns_enter(ns, error);
  if (previous < 0)
    return NULL;
  char *output = run_here(commands, flags, error);
  lw_netns_leave(previous);
  return output;
}

typedef struct {
  const char *commands;
  GError *error;
} Trial;

/* A thread of its own, which ends in the new namespace. */
static gpointer try_in_thread(gpointer data) {
  Trial *trial = data;
  if (unshare(CLONE_NEWNET) != 0)
    lw_error_set_errno(&trial->error, "cannot make a network namespace to try rules in");
  else
    g_free(run_here(trial->commands, LW_NFT_DRY, &trial->error));
  return NULL;
}

gboolean lw_nft_was_too_long(const GError *error) {
  return error && strstr(error->message, g_strerror(EMSGSIZE)) != NULL;
}

gboolean lw_nft_try_fresh(const char *commands, GError **error) {
  Trial trial = {commands, NULL};
  GThread *thread = g_thread_try_new("nft", try_in_thread, &trial, error);
  if (!thread)
    return FALSE;
  g_thread_join(thread);
  if (trial.error)
    g_propagate_error(error, trial.error);
  return trial.error == NULL;
}
