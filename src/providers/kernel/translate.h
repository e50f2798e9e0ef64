/* Resources as rtnetlink messages and back. Pure: no socket, no system call. */
#pragma once

#include "resource/resource.h"

#include <libmnl/libmnl.h>
#include <net/if.h>

/* Marks routes and rules as lanward's (rtm_protocol, FRA_PROTOCOL): above the numbers that others registered.
 */
#define LW_RTPROT 0x4c

/* Room that every message of this file fits into. */
#define LW_MESSAGE_MAX 1024

/* libmnl's own loops leave a length of the wrong type to their reader's compiler. */
static inline gboolean lw_nl_attr_ok(const struct nlattr *attr, const void *tail) {
  return mnl_attr_ok(attr, (int)((const char *)tail - (const char *)attr));
}

#define LW_FOREACH_ATTR(attr, nlh, offset)                                                                   \
  for ((attr) = mnl_nlmsg_get_payload_offset((nlh), (offset));                                               \
       lw_nl_attr_ok((attr), mnl_nlmsg_get_payload_tail(nlh)); (attr) = mnl_attr_next(attr))

#define LW_FOREACH_NESTED(attr, nest)                                                                        \
  for ((attr) = mnl_attr_get_payload(nest);                                                                  \
       lw_nl_attr_ok((attr), (const char *)mnl_attr_get_payload(nest) + mnl_attr_get_payload_len(nest));     \
       (attr) = mnl_attr_next(attr))

typedef struct {
  int index;
  int master;    /* 0: none */
  int peer;      /* veth: index of the other end, in its own namespace; else 0 */
  int peer_nsid; /* -1: the other end is in the same namespace */
  guint mtu, group;
  gboolean up, isolated;
  gboolean running; /* up, and its carrier as well, as far as its listeners were told */
  LwMac mac;
  char name[IFNAMSIZ];
  char kind[16];   /* "bridge", "veth", … or "" */
  char alias[256]; /* IFALIASZ */
} LwLinkInfo;

typedef struct {
  int index;
  LwPrefix prefix; /* the interface's own address with its length */
} LwAddressInfo;

typedef struct {
  guint32 table, metric;
  LwPrefix prefix;
  LwRouteType type;
  LwAddr via, source;
  int oif; /* 0: none */
  guint8 protocol;
} LwRouteInfo;

typedef struct {
  guint32 priority, mark, table;
  char iif[IFNAMSIZ], oif[IFNAMSIZ];
  LwRuleAction action;
  gboolean suppress_default;
  guint8 protocol;
  gboolean plain; /* has nothing that a RULE resource cannot say */
} LwRuleInfo;

/* Read a message of a dump; FALSE for what no resource can be (another type of message, a multipath route,
 * …). */
gboolean lw_nl_read_link(const struct nlmsghdr *nlh, LwLinkInfo *out);
gboolean lw_nl_read_address(const struct nlmsghdr *nlh, LwAddressInfo *out);
gboolean lw_nl_read_route(const struct nlmsghdr *nlh, LwRouteInfo *out);
gboolean lw_nl_read_rule(const struct nlmsghdr *nlh, LwRuleInfo *out);

/* Writers: into a buffer of LW_MESSAGE_MAX bytes, return its message; flags are NLM_F_REQUEST and what the
 * function needs. */
struct nlmsghdr *lw_nl_get_link(void *buffer, const char *name);
struct nlmsghdr *lw_nl_dump(void *buffer, guint16 type, guint8 family);
struct nlmsghdr *lw_nl_get_nsid(void *buffer, int ns_fd);

/* All links are made down. */
struct nlmsghdr *lw_nl_bridge(void *buffer, const LwResource *bridge);
/* peer: the other end's resource, nullable when only its name is known; peer_ns_fd -1: the same namespace. */
struct nlmsghdr *lw_nl_veth(void *buffer, const LwResource *end, const LwResource *peer, int peer_ns_fd);
struct nlmsghdr *lw_nl_delete_link(void *buffer, int index);
struct nlmsghdr *lw_nl_delete_group(void *buffer, guint32 group);

struct nlmsghdr *lw_nl_set_up(void *buffer, int index, gboolean up);
struct nlmsghdr *lw_nl_set_master(void *buffer, int index, int master /* 0: none */);
struct nlmsghdr *lw_nl_set_group(void *buffer, int index, guint32 group);
struct nlmsghdr *lw_nl_set_isolated(void *buffer, int index, gboolean isolated);
/* Of a link just made: its mark, no IPv6 address of its own accord, its master (0: none), in one message. */
struct nlmsghdr *lw_nl_dress(void *buffer, int index, const char *alias, int master, gboolean ipv6);
/* The parts of a link that differ from `from`, but for master, up and isolation; NULL when none do. */
struct nlmsghdr *lw_nl_change_link(void *buffer, int index, const LwResource *from, const LwResource *to);

struct nlmsghdr *lw_nl_address(void *buffer, gboolean add, const LwResource *address, int index);
/* add: replaces a route of the same key. oif 0: none */
struct nlmsghdr *lw_nl_route(void *buffer, gboolean add, const LwResource *route, int oif);
struct nlmsghdr *lw_nl_rule(void *buffer, gboolean add, const LwResource *rule);

void lw_route_fill(LwResource *route, const LwRouteInfo *info, const char *link /* nullable */);
void lw_rule_fill(LwResource *rule, const LwRuleInfo *info);

/* /proc/sys path of a name, as sysctl(8) reads it: with slashes as it is, or dotted, then "/" stands for a
 * dot within a part. NULL for one that leads elsewhere. Transfer full. */
char *lw_sysctl_path(const char *name);
/* As compared: no end of line, one space between words. Transfer full. */
char *lw_sysctl_normalize(const char *text);
