#include "providers/nft/run.h"

#include "base/error.h"
#include "base/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <nftables/libnftables.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* --- apart
 * -------------------------------------------------------------------------------------------------- */

/* First byte: whether the rest is output or a message. */
static void answer_apart(int fd, const char *ns, const char *commands, guint flags) {
  g_autoptr(GError) error = NULL;
  g_autofree char *output = lw_nft_run(ns, commands, flags, &error);
  const char *text = output ? output : error->message;
  gsize length = strlen(text);
  gboolean ok = write(fd, output ? "+" : "-", 1) == 1;
  for (gsize at = 0; ok && at < length;) {
    ssize_t written = write(fd, text + at, length - at);
    ok = written > 0;
    at += ok ? (gsize)written : 0;
  }
  _exit(ok ? 0 : 1);
}

static char *read_back(int fd, GError **error) {
  struct stat info;
  if (fstat(fd, &info) != 0 || info.st_size < 1) {
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "nftables: no answer");
    return NULL;
  }
  gsize size = (gsize)info.st_size;
  g_autofree char *text = g_malloc(size + 1);
  for (gsize at = 0; at < size;) {
    ssize_t got = pread(fd, text + at, size - at, (off_t)at);
    if (got <= 0) {
      lw_error_set_errno(error, "nftables: its answer cannot be read");
      return NULL;
    }
    at += (gsize)got;
  }
  text[size] = '\0';
  if (*text == '+')
    return g_strdup(text + 1);
  g_set_error_literal(error, LW_ERROR, LW_ERROR_FAILED, text + 1);
  return NULL;
}

char *lw_nft_run_apart(const char *ns, const char *commands, guint flags, gboolean *died, GError **error) {
  int fd = memfd_create("nft", MFD_CLOEXEC);
  if (fd < 0) {
    lw_error_set_errno(error, "cannot make a file in memory");
    return NULL;
  }
  *died = FALSE;
  pid_t child = fork();
  if (child == 0) {
    const struct rlimit none = {0, 0};
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)setrlimit(RLIMIT_CORE, &none); /* what it says when it ends, and its core, help nobody */
    (void)dup2(null, STDERR_FILENO);
    answer_apart(fd, ns, commands, flags);
  }
  int status = 0;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
    ;
  char *output = NULL;
  if (child < 0) {
    lw_error_set_errno(error, "cannot start a process");
  } else if (WIFSIGNALED(status)) {
    *died = TRUE;
    g_set_error(error, LW_ERROR, LW_ERROR_FAILED,
                "libnftables cannot list the rules: it ended with signal %d, as nft would", WTERMSIG(status));
  } else {
    output = read_back(fd, error);
  }
  close(fd);
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
