#include "providers/kernel/ports.h"

#include "base/error.h"
#include "providers/kernel/kernel-internal.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
  char *bridge;
  gint64 since; /* monotonic, ms: without a bridge from then on; 0: plugged in */
} Port;

struct LwPortKeeper {
  char **bridges;
  GHashTable *ports; /* name -> Port* */
  LwRtnl *rtnl;
  int news; /* a socket that hears of links */
};

static gint64 now_ms(void) {
  return g_get_monotonic_time() / 1000;
}

static void port_free(gpointer data) {
  Port *port = data;
  g_free(port->bridge);
  g_free(port);
}

static int open_news(GError **error) {
  struct sockaddr_nl own = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (fd >= 0 && bind(fd, (struct sockaddr *)&own, sizeof own) == 0)
    return fd;
  lw_error_set_errno(error, "cannot listen for changes of links");
  if (fd >= 0)
    close(fd);
  return -1;
}

LwPortKeeper *lw_port_keeper_new(const char *const *bridges, GError **error) {
  g_autoptr(LwPortKeeper) keeper = g_new0(LwPortKeeper, 1);
  keeper->bridges = g_strdupv((char **)bridges);
  keeper->ports = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, port_free);
  keeper->news = open_news(error);
  keeper->rtnl = keeper->news >= 0 ? lw_rtnl_open("", error) : NULL;
  return keeper->rtnl && lw_port_keeper_look(keeper, NULL, error) ? g_steal_pointer(&keeper) : NULL;
}

void lw_port_keeper_free(LwPortKeeper *keeper) {
  if (!keeper)
    return;
  if (keeper->news >= 0)
    close(keeper->news);
  g_clear_pointer(&keeper->rtnl, lw_rtnl_close);
  g_hash_table_unref(keeper->ports);
  g_strfreev(keeper->bridges);
  g_free(keeper);
}

int lw_port_keeper_fd(const LwPortKeeper *keeper) {
  return keeper->news;
}

int lw_port_keeper_due(const LwPortKeeper *keeper) {
  GHashTableIter iter;
  gpointer value;
  gint64 due = -1;
  g_hash_table_iter_init(&iter, keeper->ports);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const Port *port = value;
    gint64 left = port->since ? MAX(port->since + LW_PORT_GRACE_MS - now_ms(), 0) : -1;
    if (left >= 0 && (due < 0 || left < due))
      due = left;
  }
  return (int)due;
}

/* What it says does not matter: all links are looked at. One that was too much to be kept is news as well. */
static void hear(LwPortKeeper *keeper) {
  char buffer[16384];
  while (recv(keeper->news, buffer, sizeof buffer, 0) > 0 || errno == EINTR || errno == ENOBUFS)
    ;
}

static gboolean is_kept(const LwPortKeeper *keeper, const char *bridge) {
  return g_strv_contains((const char *const *)keeper->bridges, bridge);
}

static void remember(LwPortKeeper *keeper, const LwLinks *links) {
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, links->by_name);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const LwLinkInfo *link = value;
    const LwLinkInfo *master = link->master ? lw_links_at(links, link->master) : NULL;
    if (!master || !is_kept(keeper, master->name))
      continue;
    Port *port = g_new0(Port, 1);
    port->bridge = g_strdup(master->name);
    g_hash_table_replace(keeper->ports, g_strdup(link->name), port);
  }
}

typedef enum { KEPT, FORGOTTEN, OFF } Fate;

static Fate fate_of(const Port *port, const char *name, const LwLinks *links) {
  const LwLinkInfo *link = g_hash_table_lookup(links->by_name, name);
  if (!link || !link->up || !g_hash_table_contains(links->by_name, port->bridge))
    return FORGOTTEN;
  const LwLinkInfo *master = link->master ? lw_links_at(links, link->master) : NULL;
  return !master ? OFF : g_str_equal(master->name, port->bridge) ? KEPT : FORGOTTEN;
}

static gboolean plug_in(LwPortKeeper *keeper, const char *name, const Port *port, const LwLinks *links,
                        GError **error) {
  const LwLinkInfo *link = g_hash_table_lookup(links->by_name, name);
  const LwLinkInfo *bridge = g_hash_table_lookup(links->by_name, port->bridge);
  guint8 buffer[LW_MESSAGE_MAX];
  lw_rtnl_queue(keeper->rtnl, lw_nl_set_master(buffer, link->index, bridge->index), "put back a port", NULL,
                LW_RTNL_GONE);
  return lw_rtnl_flush(keeper->rtnl, error);
}

static gboolean look_after(LwPortKeeper *keeper, const char *name, Port *port, const LwLinks *links,
                           GPtrArray *told, GError **error) {
  if (!port->since) {
    port->since = now_ms();
    return TRUE;
  }
  if (now_ms() < port->since + LW_PORT_GRACE_MS)
    return TRUE;
  port->since = 0;
  if (!plug_in(keeper, name, port, links, error))
    return FALSE;
  if (told)
    g_ptr_array_add(told, g_strdup_printf("%s on %s", name, port->bridge));
  return TRUE;
}

gboolean lw_port_keeper_look(LwPortKeeper *keeper, GPtrArray *told, GError **error) {
  g_autoptr(LwLinks) links = lw_links_new();
  GHashTableIter iter;
  gpointer name, port;
  hear(keeper);
  if (!lw_links_dump(links, keeper->rtnl, error))
    return FALSE;
  g_hash_table_iter_init(&iter, keeper->ports);
  while (g_hash_table_iter_next(&iter, &name, &port)) {
    Fate fate = fate_of(port, name, links);
    if (fate == FORGOTTEN)
      g_hash_table_iter_remove(&iter);
    else if (fate == OFF && !look_after(keeper, name, port, links, told, error))
      return FALSE;
  }
  remember(keeper, links);
  return TRUE;
}

static gboolean set_up(LwRtnl *rtnl, int index, gboolean up, GError **error) {
  guint8 buffer[LW_MESSAGE_MAX];
  lw_rtnl_queue(rtnl, lw_nl_set_up(buffer, index, up), up ? "plug in" : "pull", NULL, LW_RTNL_GONE);
  return lw_rtnl_flush(rtnl, error);
}

gboolean lw_port_bounce(const char *name, const char *peer_ns, const char *peer, GError **error) {
  g_autoptr(LwRtnl) rtnl = lw_rtnl_open("", error);
  g_autoptr(LwRtnl) there = rtnl ? lw_rtnl_open(peer_ns, error) : NULL;
  g_autoptr(LwLinks) links = lw_links_new();
  const LwLinkInfo *link = NULL;
  if (!there || !lw_links_find(links, rtnl, name, &link, error))
    return FALSE;
  if (!link) {
    g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND, "there is no link %s", name);
    return FALSE;
  }
  if (!link->up)
    return TRUE;
  int index = link->index;
  gboolean seen = set_up(rtnl, index, FALSE, error) && lw_links_wait_pulled(there, peer, error);
  return set_up(rtnl, index, TRUE, seen ? error : NULL) && seen;
}
