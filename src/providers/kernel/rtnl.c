#include "providers/kernel/rtnl.h"

#include "base/error.h"
#include "base/netns.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Messages in one sendmsg: their answers must fit into the socket's receive buffer, as the kernel writes them
 * all before the call returns. */
#define BATCH_MESSAGES 128
#define RECEIVE_BYTES (64 * 1024)
#define SOCKET_BYTES (1024 * 1024)
#define DUMP_TRIES 5

typedef struct {
  gsize offset;
  const char *verb;
  const LwResource *resource;
  LwRtnlTolerance tolerance;
} Item;

struct LwRtnl {
  int fd;
  int ns_fd;
  guint32 seq;
  GByteArray *bytes;
  GArray *items; /* of Item */
  guint8 *receive;
};

static int open_socket(const char *ns, GError **error) {
  int previous = lw_netns_enter(ns, error);
  if (previous < 0)
    return -1;
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  int saved = errno;
  lw_netns_leave(previous);
  errno = saved;
  if (fd < 0)
    lw_error_set_errno(error, "cannot open a netlink socket");
  return fd;
}

static gboolean set_up_socket(int fd, GError **error) {
  int yes = 1, size = SOCKET_BYTES;
  struct sockaddr_nl local = {.nl_family = AF_NETLINK};
  /* these make answers smaller and clearer; a kernel without them still answers */
  (void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &yes, sizeof yes);
  (void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &yes, sizeof yes);
  (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  if (bind(fd, (struct sockaddr *)&local, sizeof local) == 0)
    return TRUE;
  lw_error_set_errno(error, "cannot bind a netlink socket");
  return FALSE;
}

LwRtnl *lw_rtnl_open(const char *ns, GError **error) {
  g_autoptr(LwRtnl) rtnl = g_new0(LwRtnl, 1);
  rtnl->fd = rtnl->ns_fd = -1;
  rtnl->bytes = g_byte_array_new();
  rtnl->items = g_array_new(FALSE, TRUE, sizeof(Item));
  rtnl->receive = g_malloc(RECEIVE_BYTES);
  if ((rtnl->ns_fd = lw_netns_open(ns, error)) < 0 || (rtnl->fd = open_socket(ns, error)) < 0 ||
      !set_up_socket(rtnl->fd, error))
    return NULL;
  return g_steal_pointer(&rtnl);
}

void lw_rtnl_close(LwRtnl *rtnl) {
  if (!rtnl)
    return;
  if (rtnl->fd >= 0)
    close(rtnl->fd);
  if (rtnl->ns_fd >= 0)
    close(rtnl->ns_fd);
  g_byte_array_unref(rtnl->bytes);
  g_array_unref(rtnl->items);
  g_free(rtnl->receive);
  g_free(rtnl);
}

int lw_rtnl_ns_fd(const LwRtnl *rtnl) {
  return rtnl->ns_fd;
}

gboolean lw_rtnl_is_current(const LwRtnl *rtnl, const char *ns) {
  struct stat ours, named;
  g_autofree char *path =
      ns && *ns ? g_build_filename(LW_NETNS_FOLDER, ns, NULL) : g_strdup("/proc/thread-self/ns/net");
  return fstat(rtnl->ns_fd, &ours) == 0 && stat(path, &named) == 0 && ours.st_dev == named.st_dev &&
         ours.st_ino == named.st_ino;
}

void lw_rtnl_queue(LwRtnl *rtnl, const struct nlmsghdr *nlh, const char *verb, const LwResource *resource,
                   LwRtnlTolerance tolerance) {
  Item item = {rtnl->bytes->len, verb, resource, tolerance};
  guint padded = MNL_ALIGN(nlh->nlmsg_len);
  g_byte_array_append(rtnl->bytes, (const guint8 *)nlh, nlh->nlmsg_len);
  g_byte_array_set_size(rtnl->bytes, (guint)item.offset + padded);
  g_array_append_val(rtnl->items, item);
}

static gboolean send_bytes(LwRtnl *rtnl, const void *bytes, gsize length, GError **error) {
  for (;;) {
    ssize_t n = send(rtnl->fd, bytes, length, 0);
    if (n == (ssize_t)length)
      return TRUE;
    if (n < 0 && errno == EINTR)
      continue;
    lw_error_set_errno(error, "cannot talk to the kernel");
    return FALSE;
  }
}

static ssize_t receive_bytes(LwRtnl *rtnl, GError **error) {
  for (;;) {
    ssize_t n = recv(rtnl->fd, rtnl->receive, RECEIVE_BYTES, 0);
    if (n >= 0)
      return n;
    if (errno == EINTR)
      continue;
    lw_error_set_errno(error, "cannot hear from the kernel");
    return -1;
  }
}

/* The kernel's own words (extended ack), or "". Valid as long as the message. */
static const char *extended_text(const struct nlmsghdr *nlh, const struct nlmsgerr *err) {
  if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
    return "";
  gsize skip = sizeof *err;
  if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
    skip += MNL_ALIGN(err->msg.nlmsg_len) - sizeof(struct nlmsghdr);
  if (nlh->nlmsg_len < NLMSG_HDRLEN + skip)
    return "";
  const struct nlattr *attr;
  LW_FOREACH_ATTR(attr, nlh, (guint)skip) {
    if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
      return mnl_attr_get_str(attr);
  }
  return "";
}

static gboolean is_tolerated(int code, LwRtnlTolerance tolerance) {
  if (tolerance == LW_RTNL_GONE)
    return code == ENODEV || code == ENOENT || code == ESRCH || code == EADDRNOTAVAIL;
  return tolerance == LW_RTNL_THERE && code == EEXIST;
}

static void set_item_error(const Item *item, int code, const char *text, GError **error) {
  g_autofree char *what = item->resource ? lw_resource_describe(item->resource) : g_strdup("links");
  g_set_error(error, LW_ERROR, code == EEXIST ? LW_ERROR_CONFLICT : LW_ERROR_FAILED, "cannot %s %s: %s%s%s%s",
              item->verb, what, g_strerror(code), *text ? " (" : "", text, *text ? ")" : "");
}

/* Answers up to that of the last item, which alone asked for one; the others speak up only when they fail. */
static gboolean read_answers(LwRtnl *rtnl, guint first, guint last, guint32 first_seq, GError **error) {
  const Item *items = (const Item *)(void *)rtnl->items->data;
  gboolean ok = TRUE;
  for (;;) {
    ssize_t left = receive_bytes(rtnl, ok ? error : NULL);
    if (left < 0)
      return FALSE;
    int length = (int)left;
    for (const struct nlmsghdr *nlh = (const void *)rtnl->receive; mnl_nlmsg_ok(nlh, length);
         nlh = mnl_nlmsg_next(nlh, &length)) {
      guint32 nth = nlh->nlmsg_seq - first_seq;
      if (nlh->nlmsg_type != NLMSG_ERROR || nth > last - first)
        continue;
      const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
      const Item *item = &items[first + nth];
      if (err->error != 0 && ok && !is_tolerated(-err->error, item->tolerance)) {
        set_item_error(item, -err->error, extended_text(nlh, err), error);
        ok = FALSE;
      }
      if (first + nth == last)
        return ok;
    }
  }
}

static gboolean flush_some(LwRtnl *rtnl, guint first, guint last, GError **error) {
  const Item *items = (const Item *)(void *)rtnl->items->data;
  gsize end = last + 1 < rtnl->items->len ? items[last + 1].offset : rtnl->bytes->len;
  guint32 first_seq = rtnl->seq + 1;
  for (guint i = first; i <= last; i++) {
    struct nlmsghdr *nlh = (struct nlmsghdr *)(void *)(rtnl->bytes->data + items[i].offset);
    nlh->nlmsg_seq = ++rtnl->seq;
    if (i == last)
      nlh->nlmsg_flags |= NLM_F_ACK;
  }
  return send_bytes(rtnl, rtnl->bytes->data + items[first].offset, end - items[first].offset, error) &&
         read_answers(rtnl, first, last, first_seq, error);
}

gboolean lw_rtnl_flush(LwRtnl *rtnl, GError **error) {
  gboolean ok = TRUE;
  for (guint first = 0; ok && first < rtnl->items->len; first += BATCH_MESSAGES)
    ok = flush_some(rtnl, first, MIN(first + BATCH_MESSAGES, rtnl->items->len) - 1, error);
  g_byte_array_set_size(rtnl->bytes, 0);
  g_array_set_size(rtnl->items, 0);
  return ok;
}

typedef enum { READ_MORE, READ_DONE, READ_AGAIN, READ_FAILED } ReadState;

static ReadState read_message(const struct nlmsghdr *nlh, gboolean dump, LwRtnlReader reader, gpointer data,
                              gboolean *interrupted, GError **error) {
  if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
    *interrupted = TRUE;
  if (nlh->nlmsg_type == NLMSG_DONE)
    return *interrupted ? READ_AGAIN : READ_DONE;
  if (nlh->nlmsg_type == NLMSG_ERROR) {
    const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
    if (err->error == 0 || (!dump && (err->error == -ENODEV || err->error == -ENOENT)))
      return READ_DONE;
    errno = -err->error;
    lw_error_set_errno(error, "the kernel does not answer a question about the network");
    return READ_FAILED;
  }
  reader(nlh, data);
  return dump ? READ_MORE : READ_DONE;
}

static ReadState read_all(LwRtnl *rtnl, guint32 seq, gboolean dump, LwRtnlReader reader, gpointer data,
                          GError **error) {
  gboolean interrupted = FALSE;
  for (;;) {
    ssize_t left = receive_bytes(rtnl, error);
    if (left < 0)
      return READ_FAILED;
    int length = (int)left;
    for (const struct nlmsghdr *nlh = (const void *)rtnl->receive; mnl_nlmsg_ok(nlh, length);
         nlh = mnl_nlmsg_next(nlh, &length)) {
      if (nlh->nlmsg_seq != seq)
        continue;
      ReadState state = read_message(nlh, dump, reader, data, &interrupted, error);
      if (state != READ_MORE)
        return state;
    }
  }
}

gboolean lw_rtnl_dump(LwRtnl *rtnl, guint16 type, guint8 family, LwRtnlReader reader, gpointer data,
                      GError **error) {
  guint8 buffer[LW_MESSAGE_MAX];
  /* A dump that changed under way is repeated: readers take the last word on an object. When the world never
     rests, the last attempt stands: the caller compares, acts and looks again. */
  for (guint attempt = 0; attempt < DUMP_TRIES; attempt++) {
    struct nlmsghdr *nlh = lw_nl_dump(buffer, type, family);
    nlh->nlmsg_seq = ++rtnl->seq;
    if (!send_bytes(rtnl, nlh, nlh->nlmsg_len, error))
      return FALSE;
    ReadState state = read_all(rtnl, nlh->nlmsg_seq, TRUE, reader, data, error);
    if (state != READ_AGAIN)
      return state == READ_DONE;
  }
  return TRUE;
}

gboolean lw_rtnl_ask(LwRtnl *rtnl, struct nlmsghdr *nlh, LwRtnlReader reader, gpointer data, GError **error) {
  nlh->nlmsg_seq = ++rtnl->seq;
  return send_bytes(rtnl, nlh, nlh->nlmsg_len, error) &&
         read_all(rtnl, nlh->nlmsg_seq, FALSE, reader, data, error) == READ_DONE;
}
