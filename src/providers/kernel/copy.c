#include "providers/kernel/copy.h"

#include "base/error.h"
#include "base/netns.h"
#include "providers/kernel/kernel-internal.h"
#include "providers/kernel/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CATCH_TABLE 0x6c77u
#define LEAD_TABLES 0x6c770000u /* and the number of a link */
#define FRAME_MAX 2048
#define LAST_PRIORITY 32768u /* behind the rules that each namespace begins with */

typedef struct {
  char name[IFNAMSIZ];
  LwMac mac;
  gboolean frames; /* ethernet; else packets alone */
  int fd;
} End;

struct LwNetCopy {
  int ns; /* descriptor */
  LwRtnl *rtnl;
  GPtrArray *ends;   /* of End* */
  GPtrArray *routes; /* of struct nlmsghdr*, each to be sent again */
  guint32 refuses;   /* priority of the first routing rule that refuses; LAST_PRIORITY: none does */
};

static void end_free(gpointer data) {
  End *end = data;
  if (end->fd >= 0)
    close(end->fd);
  g_free(end);
}

void lw_net_copy_free(LwNetCopy *copy) {
  if (!copy)
    return;
  g_ptr_array_unref(copy->ends);
  g_ptr_array_unref(copy->routes);
  g_clear_pointer(&copy->rtnl, lw_rtnl_close);
  if (copy->ns >= 0)
    close(copy->ns);
  g_free(copy);
}

int lw_net_copy_enter(const LwNetCopy *copy, GError **error) {
  int previous = lw_netns_open(NULL, error);
  if (previous >= 0 && setns(copy->ns, CLONE_NEWNET) == 0)
    return previous;
  if (previous >= 0) {
    lw_error_set_errno(error, "cannot enter the copy of a network namespace");
    close(previous);
  }
  return -1;
}

/* --- what there is to copy
 * --------------------------------------------------------------------------------------------- */

static void keep(const struct nlmsghdr *nlh, gpointer data) {
  struct nlmsghdr *copy = g_memdup2(nlh, nlh->nlmsg_len);
  copy->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL;
  g_ptr_array_add(data, copy);
}

static gboolean has_gateway(const struct nlmsghdr *nlh) {
  const struct nlattr *attr;
  LW_FOREACH_ATTR(attr, nlh, sizeof(struct rtmsg)) {
    if (mnl_attr_get_type(attr) == RTA_GATEWAY || mnl_attr_get_type(attr) == RTA_MULTIPATH)
      return TRUE;
  }
  return FALSE;
}

/* A gateway is reached by another route, which has to be there first. */
static gint gateways_last(gconstpointer a, gconstpointer b) {
  return has_gateway(*(const struct nlmsghdr *const *)a) - has_gateway(*(const struct nlmsghdr *const *)b);
}

static GPtrArray *dump(LwRtnl *rtnl, guint16 type, GError **error) {
  g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
  return lw_rtnl_dump(rtnl, type, AF_INET, keep, list, error) ? g_steal_pointer(&list) : NULL;
}

static gboolean read_routes(LwNetCopy *copy, LwRtnl *from, GError **error) {
  g_autoptr(GPtrArray) all = dump(from, RTM_GETROUTE, error);
  if (!all)
    return FALSE;
  g_ptr_array_sort(all, gateways_last);
  for (guint i = 0; i < all->len; i++) {
    struct nlmsghdr *nlh = all->pdata[i];
    struct rtmsg *route = mnl_nlmsg_get_payload(nlh);
    if (route->rtm_flags & RTM_F_CLONED)
      continue;
    /* the gateway was looked for when the namespace got the route; its routing rules may be others by now */
    route->rtm_flags = has_gateway(nlh) ? RTNH_F_ONLINK : 0;
    g_ptr_array_add(copy->routes, g_memdup2(nlh, nlh->nlmsg_len));
  }
  return TRUE;
}

/* --- links
 * -----------------------------------------------------------------------------------------------------------
 */

static gboolean change_link(const char *name, unsigned long what, struct ifreq *request, GError **error) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  g_strlcpy(request->ifr_name, name, sizeof request->ifr_name);
  gboolean ok = fd >= 0 && ioctl(fd, what, request) == 0;
  if (!ok)
    lw_error_set_errno(error, "cannot set up %s in the copy of a network namespace", name);
  if (fd >= 0)
    close(fd);
  return ok;
}

/* Without ARP: whoever is asked for is at the other end. */
static gboolean set_flags(const char *name, gboolean up, GError **error) {
  struct ifreq request = {.ifr_flags = (short)(IFF_NOARP | (up ? IFF_UP : 0))};
  return change_link(name, SIOCSIFFLAGS, &request, error);
}

/* In the namespace that we are in. index 0: any. It outlives its descriptor: all go at once with the
 * namespace, which is much quicker than one by one, and behind our back. */
static End *end_new(const char *name, int index, const LwMac *mac /* nullable: packets alone */,
                    GError **error) {
  End *end = g_new0(End, 1);
  struct ifreq request = {.ifr_flags = (short)((mac ? IFF_TAP : IFF_TUN) | IFF_NO_PI)};
  g_strlcpy(end->name, name, sizeof end->name);
  g_strlcpy(request.ifr_name, name, sizeof request.ifr_name);
  end->frames = mac != NULL;
  end->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (end->fd < 0 || (index && ioctl(end->fd, TUNSETIFINDEX, &index) < 0) ||
      ioctl(end->fd, TUNSETIFF, &request) < 0 || ioctl(end->fd, TUNSETPERSIST, 1) < 0) {
    lw_error_set_errno(error, "cannot make %s in the copy of a network namespace (/dev/net/tun)", name);
    end_free(end);
    return NULL;
  }
  if (mac) {
    end->mac = *mac;
    struct ifreq hardware = {.ifr_hwaddr.sa_family = 1 /* ARPHRD_ETHER */};
    memcpy(hardware.ifr_hwaddr.sa_data, mac->bytes, sizeof mac->bytes);
    if (!change_link(name, SIOCSIFHWADDR, &hardware, error)) {
      end_free(end);
      return NULL;
    }
  }
  return end;
}

static gboolean add_end(LwNetCopy *copy, const LwLinkInfo *info, GError **error) {
  if (if_nametoindex(info->name))
    return TRUE; /* lo, and what each namespace is born with: a tunnel of a module that is loaded */
  /* wireguard and tun have no addresses of their own */
  gboolean bare = g_str_equal(info->kind, "wireguard") || g_str_equal(info->kind, "tun");
  End *end = end_new(info->name, info->index, bare ? NULL : &info->mac, error);
  if (!end)
    return FALSE;
  g_ptr_array_add(copy->ends, end);
  return !info->up || set_flags(info->name, TRUE, error);
}

static gboolean add_links(LwNetCopy *copy, const LwLinks *links, GError **error) {
  if (g_hash_table_size(links->by_name) > LW_NET_COPY_LINKS_MAX) {
    g_set_error(error, LW_ERROR, LW_ERROR_UNSUPPORTED, "it has more than %u links", LW_NET_COPY_LINKS_MAX);
    return FALSE;
  }
  struct ifreq up = {.ifr_flags = IFF_UP};
  gboolean ok = change_link("lo", SIOCSIFFLAGS, &up, error);
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, links->by_name);
  while (ok && g_hash_table_iter_next(&iter, NULL, &value)) {
    ok = add_end(copy, value, error);
  }
  return ok;
}

/* --- the rest
 * -------------------------------------------------------------------------------------------------------- */

static void queue_all(LwNetCopy *copy, const GPtrArray *messages, const char *verb,
                      LwRtnlTolerance tolerance) {
  for (guint i = 0; i < messages->len; i++)
    lw_rtnl_queue(copy->rtnl, messages->pdata[i], verb, NULL, tolerance);
}

static guint32 priority_of(const struct nlmsghdr *nlh) {
  const struct nlattr *attr;
  LW_FOREACH_ATTR(attr, nlh, sizeof(struct fib_rule_hdr)) {
    if (mnl_attr_get_type(attr) == FRA_PRIORITY)
      return mnl_attr_get_u32(attr);
  }
  return 0;
}

static void find_refusal(LwNetCopy *copy, const GPtrArray *rules) {
  copy->refuses = LAST_PRIORITY;
  for (guint i = 0; i < rules->len; i++) {
    const struct fib_rule_hdr *rule = mnl_nlmsg_get_payload(rules->pdata[i]);
    gboolean refuses = rule->action == FR_ACT_PROHIBIT || rule->action == FR_ACT_BLACKHOLE ||
                       rule->action == FR_ACT_UNREACHABLE;
    if (refuses)
      copy->refuses = MIN(copy->refuses, priority_of(rules->pdata[i]));
  }
}

/* The rules that the copy was born with go: those of the namespace may be others. */
static gboolean copy_rules(LwNetCopy *copy, LwRtnl *from, GError **error) {
  g_autoptr(GPtrArray) born = dump(copy->rtnl, RTM_GETRULE, error);
  g_autoptr(GPtrArray) rules = born ? dump(from, RTM_GETRULE, error) : NULL;
  if (!rules)
    return FALSE;
  for (guint i = 0; i < born->len; i++) {
    struct nlmsghdr *nlh = born->pdata[i];
    nlh->nlmsg_type = RTM_DELRULE;
    nlh->nlmsg_flags = NLM_F_REQUEST;
  }
  queue_all(copy, born, "delete", LW_RTNL_GONE);
  queue_all(copy, rules, "add", LW_RTNL_THERE);
  find_refusal(copy, rules);
  return lw_rtnl_flush(copy->rtnl, error);
}

static gboolean copy_addresses(LwNetCopy *copy, LwRtnl *from, GError **error) {
  g_autoptr(GPtrArray) addresses = dump(from, RTM_GETADDR, error);
  if (!addresses)
    return FALSE;
  queue_all(copy, addresses, "add", LW_RTNL_THERE);
  return lw_rtnl_flush(copy->rtnl, error);
}

static gboolean put_routes(LwNetCopy *copy, GError **error) {
  queue_all(copy, copy->routes, "add", LW_RTNL_THERE);
  return lw_rtnl_flush(copy->rtnl, error);
}

/* IPv6 may be off for the copy in other ways: that is not asked of it. */
static gboolean copy_settings(const LwNetCopy *copy, const char *ns, GError **error) {
  const char *const inside[] = {ns, NULL};
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  g_autoptr(GPtrArray) settings = g_ptr_array_new();
  if (!lw_kernel_snapshot(inside, seen, error))
    return FALSE;
  for (guint i = 0; i < seen->list->len; i++) {
    LwResource *r = seen->list->pdata[i];
    if (r->kind == LW_RES_SYSCTL && g_str_has_prefix(r->name, "net/ipv4/"))
      g_ptr_array_add(settings, r);
  }
  int previous = lw_net_copy_enter(copy, error);
  gboolean ok = previous >= 0 && lw_kernel_write_sysctls(NULL, settings, error);
  if (previous >= 0)
    lw_netns_leave(previous);
  return ok;
}

/* A namespace of its own, for a moment ours. */
static gboolean make_namespace(LwNetCopy *copy, const LwLinks *links, GError **error) {
  int previous = lw_netns_open(NULL, error);
  if (previous < 0)
    return FALSE;
  if (unshare(CLONE_NEWNET) != 0) {
    lw_error_set_errno(error, "cannot make a network namespace");
    close(previous);
    return FALSE;
  }
  copy->ns = lw_netns_open(NULL, error);
  copy->rtnl = copy->ns < 0 ? NULL : lw_rtnl_open(NULL, error);
  gboolean ok = copy->rtnl && add_links(copy, links, error);
  lw_netns_leave(previous);
  return ok;
}

LwNetCopy *lw_net_copy_new(const char *ns, GError **error) {
  g_autoptr(LwNetCopy) copy = g_new0(LwNetCopy, 1);
  copy->ns = -1;
  copy->ends = g_ptr_array_new_with_free_func(end_free);
  copy->routes = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(LwRtnl) from = lw_rtnl_open(ns, error);
  g_autoptr(LwLinks) links = lw_links_new();
  if (!from || !lw_links_dump(links, from, error) || !read_routes(copy, from, error) ||
      !make_namespace(copy, links, error) || !copy_settings(copy, ns, error) ||
      !copy_addresses(copy, from, error) || !put_routes(copy, error) || !copy_rules(copy, from, error))
    return NULL;
  return g_steal_pointer(&copy);
}

/* --- changes
 * ---------------------------------------------------------------------------------------------------------
 */

gboolean lw_net_copy_add_link(LwNetCopy *copy, const char *name, GError **error) {
  int previous = lw_net_copy_enter(copy, error);
  if (previous < 0)
    return FALSE;
  End *end = end_new(name, 0, NULL, error);
  if (end)
    g_ptr_array_add(copy->ends, end);
  gboolean ok = end && set_flags(name, TRUE, error);
  lw_netns_leave(previous);
  return ok;
}

gboolean lw_net_copy_set_up(LwNetCopy *copy, const char *link, gboolean up, GError **error) {
  int previous = lw_net_copy_enter(copy, error);
  if (previous < 0)
    return FALSE;
  gboolean ok = set_flags(link, up, error);
  lw_netns_leave(previous);
  return ok && (!up || put_routes(copy, error));
}

static int index_in(const LwNetCopy *copy, const char *link) {
  int previous = lw_net_copy_enter(copy, NULL);
  if (previous < 0)
    return 0;
  int index = (int)if_nametoindex(link);
  lw_netns_leave(previous);
  return index;
}

gboolean lw_net_copy_catch(LwNetCopy *copy, const char *link, gboolean on, GError **error) {
  guint8 buffer[LW_MESSAGE_MAX];
  g_autoptr(LwResource) route = lw_resource_new(LW_RES_ROUTE, NULL, NULL);
  g_autoptr(LwResource) rule = lw_resource_new(LW_RES_RULE, NULL, NULL);
  route->table = rule->table = CATCH_TABLE;
  route->prefix = (LwPrefix){.addr = lw_addr_from_v4(0)};
  rule->priority = copy->refuses == LAST_PRIORITY ? LAST_PRIORITY : copy->refuses - 1;
  LwRtnlTolerance tolerance = on ? LW_RTNL_THERE : LW_RTNL_GONE;
  const char *verb = on ? "add" : "delete";
  lw_rtnl_queue(copy->rtnl, lw_nl_route(buffer, on, route, index_in(copy, link)), verb, route, tolerance);
  lw_rtnl_queue(copy->rtnl, lw_nl_rule(buffer, on, rule), verb, rule, tolerance);
  return lw_rtnl_flush(copy->rtnl, error);
}

gboolean lw_net_copy_lead(LwNetCopy *copy, const char *from, const char *to, gboolean on, GError **error) {
  guint8 buffer[LW_MESSAGE_MAX];
  int link = index_in(copy, to);
  g_autoptr(LwResource) route = lw_resource_new(LW_RES_ROUTE, NULL, NULL);
  g_autoptr(LwResource) rule = lw_resource_new(LW_RES_RULE, NULL, NULL);
  route->table = rule->table = LEAD_TABLES + (guint32)link;
  route->prefix = (LwPrefix){.addr = lw_addr_from_v4(0)};
  rule->priority = 1; /* behind what is the router's own */
  rule->iif = g_strdup(from);
  if (on) /* a table that no rule leads to is as good as none */
    lw_rtnl_queue(copy->rtnl, lw_nl_route(buffer, TRUE, route, link), "add", route, LW_RTNL_THERE);
  lw_rtnl_queue(copy->rtnl, lw_nl_rule(buffer, on, rule), on ? "add" : "delete", rule,
                on ? LW_RTNL_THERE : LW_RTNL_GONE);
  return lw_rtnl_flush(copy->rtnl, error);
}

/* --- packets
 * ---------------------------------------------------------------------------------------------------------
 */

gboolean lw_net_copy_send(LwNetCopy *copy, const char *link, const guint8 *packet, gsize length) {
  static const guint8 sender[6] = {0x52, 0x54, 0, 0x6c, 0x77, 1};
  guint8 frame[FRAME_MAX];
  for (guint i = 0; i < copy->ends->len; i++) {
    const End *end = copy->ends->pdata[i];
    gsize head = end->frames ? ETH_HLEN : 0;
    if (!g_str_equal(end->name, link) || head + length > sizeof frame)
      continue;
    if (end->frames) {
      memcpy(frame, end->mac.bytes, 6);
      memcpy(frame + 6, sender, 6);
      frame[12] = ETH_P_IP >> 8;
      frame[13] = ETH_P_IP & 0xff;
    }
    memcpy(frame + head, packet, length);
    return write(end->fd, frame, head + length) == (gssize)(head + length);
  }
  return FALSE;
}

static gboolean drain(const LwNetCopy *copy, LwNetCopySeen seen, gpointer data) {
  gboolean any = FALSE;
  for (guint i = 0; i < copy->ends->len; i++) {
    const End *end = copy->ends->pdata[i];
    guint8 frame[FRAME_MAX];
    gsize head = end->frames ? ETH_HLEN : 0;
    gssize length;
    while ((length = read(end->fd, frame, sizeof frame)) > 0) {
      any = TRUE;
      if ((gsize)length > head && (!head || (frame[12] << 8 | frame[13]) == ETH_P_IP))
        seen(end->name, frame + head, (gsize)length - head, data);
    }
  }
  return any;
}

void lw_net_copy_receive(LwNetCopy *copy, guint quiet_ms, LwNetCopySeen seen, gpointer data) {
  g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(struct pollfd));
  for (guint i = 0; i < copy->ends->len; i++) {
    struct pollfd fd = {.fd = ((const End *)copy->ends->pdata[i])->fd, .events = POLLIN};
    g_array_append_val(fds, fd);
  }
  /* a link that is down tells of an error all the time: it is time that ends this, not silence */
  gint64 end = g_get_monotonic_time() + quiet_ms * 1000;
  while (g_get_monotonic_time() < end) {
    poll((struct pollfd *)(void *)fds->data, fds->len, 1);
    if (drain(copy, seen, data))
      end = g_get_monotonic_time() + quiet_ms * 1000;
  }
}
