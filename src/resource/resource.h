/* Canonical resources: the objects that make a lab, whether wanted or seen.
 *
 * A resource is one struct with a kind; which members a kind uses, and which of them name it (its key) or
 * are compared, is a table in resource.c (lw_resource_fields): copying, comparing, printing, JSON and undo
 * are generic over it. `ns` is the network namespace it lives in: "" for the host's, else a name under
 * /run/netns. Strings that are NULL and strings that are "" mean the same: not set. lw_resource_new() makes
 * the lists of its kind (empty), and leaves strings NULL. Wanted and seen resources are kept in different
 * lists (LwResourceSet), never mixed.
 */
#pragma once

#include "base/addr.h"
#include "base/secret.h"
#include "resource/rules.h"

#include <json-glib/json-glib.h>

typedef enum {
  LW_RES_NETNS,   /* name */
  LW_RES_LINK,    /* ns, name | type, peer_ns, peer, mac, mtu, master, up, isolated, group, alias; kind_name,
                     link */
  LW_RES_ADDRESS, /* ns, link, prefix */
  LW_RES_ROUTE,   /* ns, table, prefix, metric | route_type, via, link, source */
  LW_RES_RULE, /* ns, priority, family | mark, iif, oif, table, action, suppress_default; mark_mask, from, to,
                  invert */
  LW_RES_SYSCTL,      /* ns, name (net.ipv4.ip_forward) | value */
  LW_RES_RULESET,     /* ns, name, family | ruleset */
  LW_RES_TUNNEL,      /* ns, name (the link) | WireGuard settings, see below */
  LW_RES_RESOLVER,    /* ns, name | a dnsmasq: DHCP and/or DNS, see below */
  LW_RES_DHCP_CLIENT, /* ns, link | hostname-less dhcpcd that keeps a lease, see below */
  LW_RES_CELL,        /* name | a cell with its NICs' names, see below */
  LW_RES_SERVER,      /* ns, name | listeners of the emulated world (twin), see below */
  LW_RES_NETWORK,     /* name | link (its bridge), up, autostart, alias; a libvirt network, see below */
  LW_RES_DOMAIN,      /* name | a libvirt domain that the file creates, see below */
  LW_RES_DOMAIN_NIC,  /* name (the domain), instance (0: its first NIC) | mac, master (the network), up,
                         isolated, link (its port), model; see below */
  LW_RES_PROFILE,     /* name | a connection profile of the host's NetworkManager, see below */
  LW_RES_CONTAINER,   /* name | a running container's network namespace, under that name; see below */
  LW_RES_ROUTER_ITEM, /* name ("rule/UUID") | value: fields of an item of an OPNsense's configuration, as
                         JSON; no secrets; link: what people call it, not compared. "by-hand/WHAT": what no
                         API changes, only ever observed; link: the steps */
  LW_RES_OPENING,     /* name (which firewall), link, oif, from, to, value; see below */
  LW_RES_LAST
} LwResourceKind;

typedef enum {
  LW_LINK_BRIDGE,
  LW_LINK_VETH,
  LW_LINK_EXTERNAL /* not ours: only enslaved or configured */
} LwLinkType;
typedef enum {
  LW_PROFILE_BRIDGE,
  LW_PROFILE_PORT, /* an ethernet that is a port of the bridge `master` */
  LW_PROFILE_OTHER /* only seen */
} LwProfileType;
typedef enum {
  LW_ROUTE_UNICAST,
  LW_ROUTE_LOCAL,
  LW_ROUTE_BLACKHOLE,
  LW_ROUTE_PROHIBIT,
  LW_ROUTE_UNREACHABLE,
  /* from here on only seen, never wanted */
  LW_ROUTE_BROADCAST,
  LW_ROUTE_MULTICAST,
  LW_ROUTE_ANYCAST,
  LW_ROUTE_THROW, /* as if the table ended here */
  LW_ROUTE_OTHER
} LwRouteType;
typedef enum {
  LW_RULE_LOOKUP,
  LW_RULE_PROHIBIT,
  /* from here on only seen, never wanted */
  LW_RULE_BLACKHOLE,
  LW_RULE_UNREACHABLE,
  LW_RULE_OTHER
} LwRuleAction;

typedef struct {
  char *public_key;           /* base64 */
  LwSecretRef *preshared_key; /* nullable */
  LwAddr endpoint;            /* unset: the other side calls */
  guint16 endpoint_port;
  GArray *allowed; /* of LwPrefix */
  guint keepalive; /* seconds */
} LwPeer;

/* DHCP of one segment. */
typedef struct {
  char *link;
  LwRange range;
  guint8 prefix_len; /* sent as an explicit mask (option 1) */
  LwAddr router;     /* unset: no default route */
  GArray *dns;       /* of LwAddr, option 6 */
  guint lease_seconds;
} LwDhcpRange;

typedef struct {
  LwMac mac;
  LwAddr address;        /* unset: only a name */
  char *name;            /* nullable */
  gboolean dynamic_only; /* no address here: it may take one of the range */
} LwDhcpHost;

/* "server=/DOMAIN/ADDRESS#PORT@DEVICE" */
typedef struct {
  char *domain; /* nullable: everything */
  LwAddr address;
  guint16 port;
  char *device; /* nullable */
} LwUpstream;

typedef struct {
  char *name;
  LwAddr address;
} LwHostName;

/* A disk of a domain. What is at `path` already is used as it is; else it is made there, of `size` or from
 * `image`. */
typedef struct {
  char *path;
  char *image;    /* nullable: a qcow2 or raw file that the disk begins as a copy of */
  guint32 size;   /* MiB; 0: the image's */
  gboolean fresh; /* of an undo: nothing was at `path`, and what is made there goes with it */
} LwDisk;
/* A static route of a profile. */
typedef struct {
  LwPrefix prefix;
  LwAddr via;     /* unset: on the link */
  guint32 metric; /* 0: NetworkManager's own */
} LwProfileRoute;

typedef struct LwResource {
  LwResourceKind kind;
  int refs;
  char *ns;   /* "" the host's */
  char *name; /* of the object; of its link for addresses and routes see `link` */
  char *link;
  LwOrigin origin; /* not compared, not stored */
  /* Of what is wanted: somebody else makes it (another resource's provider, as a NetworkManager profile makes
     its bridge; or the user, where `manage:` leaves it out). It is looked at and proved; a difference is
     told, and never changed. Not compared, not stored. */
  gboolean observed;

  /* link */
  LwLinkType link_type;
  char *peer_ns, *peer; /* veth: the other end, a LINK resource of its own that names this one */
  LwMac mac;            /* unset: whatever it has */
  guint32 mtu;          /* 0: whatever */
  char *master;         /* "" none */
  gboolean up;
  gboolean isolated; /* bridge port isolation */
  guint32 group;     /* IFLA_GROUP, for deleting in batches */
  char *alias;       /* ownership mark: "lanward:LAB" */
  char *kind_name;   /* of an external link, when it was seen: the kernel's word ("vlan", "tun"); `link`: the
                        one below */

  /* address, route, rule */
  LwPrefix prefix;
  guint32 table;
  guint32 metric;
  LwRouteType route_type;
  LwAddr via;
  LwAddr source;
  guint32 priority;
  guint32 mark; /* fwmark, whole-word mask; 0: any */
  char *iif, *oif;
  LwRuleAction action;
  gboolean suppress_default; /* suppress_prefixlength 0 */
  guint32 mark_mask;         /* 0: whole */
  LwPrefix from, to;         /* unset: any */
  gboolean invert;           /* the rule holds where what it says does not */
  guint8 ip_family;          /* 6: of IPv6; 0: of IPv4 */

  /* Of what was seen, not wanted: what else decides, in words; whoever reasons about it takes the safe
     direction. And a number where several of one key are there. */
  char *unknown;
  guint32 instance;

  char *value; /* sysctl */

  LwRuleset *ruleset;

  /* tunnel */
  LwSecretRef *private_key;
  guint16 listen_port; /* 0: any */
  GPtrArray *peers;    /* of LwPeer* */
  /* (mark: fwmark of its own encrypted packets; mtu, up as for a link) */

  /* resolver */
  guint16 port;         /* DNS port; 0: no DNS */
  GPtrArray *links;     /* of char*: interfaces it listens on; empty: all of the namespace */
  GPtrArray *ranges;    /* of LwDhcpRange* */
  GPtrArray *hosts;     /* of LwDhcpHost* */
  GPtrArray *names;     /* of LwHostName*: address records */
  GPtrArray *upstreams; /* of LwUpstream*; empty: answers only what it knows */
  char *domain;         /* nullable */
  gboolean log_queries;

  /* dhcp client: `link` of `ns`; keeps a lease; the default route goes to `table` (0: main, as usual);
     `home_lan_set`: an nft set "TABLE SET" that the lease's prefix is written to before anything else
     (everything, while there is none), and SET_known (nothing, while there is none); suppress_default: no
     default route of this lease */
  char *home_lan_set;
  gboolean wait; /* the step is done when the lease is there */

  /* cell */
  GPtrArray *argv; /* of char*: what it runs; empty: nothing but its init */
  GPtrArray *nics; /* of char*: its interfaces, in order; each gets a DHCP client unless it has an ADDRESS */
  guint32 static_nics; /* bit i: NIC i has a static address and no DHCP client */
  /* (value: the resolver of a cell whose first NIC is static; else its lease names it) */

  /* container: `name` is the namespace's, and new with each start of the container; `value` its resolver */
  char *process; /* its first process, as lw_process_identity() has it */
  char *object;  /* as its engine calls it; not compared */
  char *file;    /* what its engine shows it as /etc/resolv.conf, where it says so; not compared */

  /* server: each listener "tcp/445", "udp/7", with what it answers: "echo" (the payload back), "address" (the
     caller's address, as HTTP on tcp), "discard" */
  GPtrArray *listeners; /* of char* "PROTO/PORT/ANSWER" */

  /* libvirt network: libvirt's name for a bridge (`link`). `alias` unset: somebody else's, adopted as it is
     (`value`, not compared: its forward mode, "bridge" for ours), never changed beyond being started, never
     removed. `up`: it is active. */
  gboolean autostart;

  /* domain NIC: `link` is the name of its port (tap) at the domain's next start; what it is now is a fact.
     `master` names a libvirt network; of what was seen also "/bridge/NAME" or "/TYPE". `value`, of what was
     seen: where the NIC would be after the next start, when that is elsewhere than now. `up`: its link. */
  char *model; /* "virtio"; unset: whatever it has */

  /* domain (created ones only); differences count from its next start on */
  guint32 memory; /* MiB */
  guint32 vcpus;
  GPtrArray *disks;   /* of LwDisk* */
  char *cdrom;        /* nullable: path of an ISO */
  char *firmware;     /* "bios", "uefi" */
  char *seed;         /* nullable: path of the user-data that a cloud-init seed (NoCloud) is made of */
  char *seed_iso;     /* where that seed is made */
  GPtrArray *devices; /* of char*: PCI addresses of the host, "0000:01:00.0", handed through */
  /* the lab's router as a domain. `up`: it runs; `links`: its NICs in order, each "PLACE MAC"; What its
   * making takes is not compared: */
  char *xml;           /* its whole XML, medium included; of another domain: not set */
  char *medium;        /* path of the disc with its first configuration; removed when it was read */
  LwSecretRef *config; /* that configuration (config.xml); not set: it has been there before */
  char *api_url, *api_key_file, *certificate; /* nullable: how to ask it whether it is ready */
  guint32 tunnels;                            /* how many are up then */
  /* profile: of the interface `link`; a bridge has `mac`, a port its `master`; `alias`: whose it is; `up`: it
     is active there, and comes by itself at boot (by `priority`, where several would) */
  LwProfileType profile_type;
  char *method;      /* of IPv4: "auto" (DHCP), "manual", "disabled"; not set: the whole IP configuration is
                        that of the profile `before`, which the bridge of a port takes over with its address */
  GArray *addresses; /* of LwPrefix: "manual" */
  GPtrArray *routes; /* of LwProfileRoute* */
  char *client_id;   /* DHCP's, as NetworkManager writes it; not set: whatever it has */
  char *before;      /* uuid of the profile that was active on a port's link before: only seen */

  /* opening: an exception to a block of the host's own firewall. `name`: "ufw" (to this host), "ufw-route"
     (what it forwards), "docker" (DOCKER-USER, what it forwards). All of it is its key: `link` and `oif`, the
     interfaces that packets come in and leave by ("": any); `from` and `to`, networks; `value`: "any",
     "tcp/445", "udp/8000-8100", "icmp", "replies" (docker: packets of flows that go on). `alias` unset: seen,
     and somebody else's, never removed; not compared, since it serves as well. */
} LwResource;

LwResource *lw_resource_new(LwResourceKind kind, const char *ns /* nullable */,
                            const char *name /* nullable */);
LwResource *lw_resource_ref(LwResource *resource);
void lw_resource_unref(LwResource *resource);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwResource, lw_resource_unref)

LwPeer *lw_peer_new(void);
LwDhcpRange *lw_dhcp_range_new(void);
LwDhcpHost *lw_dhcp_host_new(void);
LwUpstream *lw_upstream_new(void);
LwHostName *lw_host_name_new(void);
LwDisk *lw_disk_new(void);
LwProfileRoute *lw_profile_route_new(void);

/* Stable identity: "link:router/lan10", "route:router/1001/0.0.0.0/0/0". Transfer full. */
char *lw_resource_key(const LwResource *resource);
/* Same key and same compared members. */
gboolean lw_resource_equal(const LwResource *a, const LwResource *b);
/* Names of members that differ, for the plan's text ("mtu 1420 -> 1380"); NULL when equal. Transfer full. */
char *lw_resource_difference(const LwResource *from, const LwResource *to);
const char *lw_resource_kind_name(LwResourceKind kind);
/* For people: "bridge virbr-lan10", "tunnel wg-se in router". Transfer full. */
char *lw_resource_describe(const LwResource *resource);

/* JSON of all members of the kind that are set (secrets stay references); and back: NULL and error on
 * anything unknown. Of a ruleset only its name and family: what is read back has no rules and equals no
 * other. */
JsonNode *lw_resource_to_json(const LwResource *resource);
LwResource *lw_resource_from_json(JsonNode *node, GError **error);

/* A list with unique keys, in order of insertion. */
typedef struct {
  GPtrArray *list;   /* of LwResource* */
  GHashTable *index; /* key -> LwResource* */
  gboolean complete; /* a look at the whole of its namespaces: what is not here (a route that comes with an
                        address, the rules that every namespace begins with) is not there */
} LwResourceSet;

LwResourceSet *lw_resource_set_new(void);
void lw_resource_set_free(LwResourceSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwResourceSet, lw_resource_set_free)
/* Takes the reference. The same key twice is a programming error (g_error) unless both are equal. */
LwResource *lw_resource_set_add(LwResourceSet *set, LwResource *resource);
LwResource *lw_resource_set_find(const LwResourceSet *set, const char *key); /* nullable, borrowed */
/* Another list of the same resources, which are shared; transfer full. */
LwResourceSet *lw_resource_set_copy(const LwResourceSet *set);
/* Takes it out; FALSE when it is not there. Linear in the length of the list. */
gboolean lw_resource_set_remove(LwResourceSet *set, const char *key);

/* How hard a change is felt. */
typedef enum {
  LW_CHANGE_CREATE,
  LW_CHANGE_LIVE,    /* changed in place; flows go on */
  LW_CHANGE_RESTART, /* the process restarts; kernel state stays */
  LW_CHANGE_REPLACE, /* deleted and made again */
  LW_CHANGE_DELETE,
} LwChangeClass;

typedef struct {
  LwChangeClass klass;
  LwResource *from; /* as seen; NULL for create */
  LwResource *to;   /* as wanted; NULL for delete */
} LwChange;

const char *lw_change_class_name(LwChangeClass klass);
/* How a difference between two resources of one key can be carried out. */
LwChangeClass lw_resource_change_class(const LwResource *from, const LwResource *to);
/* Nothing that somebody had set becomes something else: an object that was not there; and of an adopted
 * domain's NIC, whose definition names no port, the name that it has from its next start on. */
gboolean lw_change_is_addition(const LwChange *change);
/* A router item that no API changes: a person does it. */
gboolean lw_resource_is_by_hand(const LwResource *resource);
/* The fields of a router item that differ: "gateway A -> B, log 0 -> 1". Transfer full; NULL: none, or no
 * fields. */
char *lw_router_item_difference(const LwResource *from, const LwResource *to);

LwChange *lw_change_new(LwChangeClass klass, LwResource *from /* nullable, ref taken */, LwResource *to);
void lw_change_free(LwChange *change);
GPtrArray *lw_changes_new(void); /* of LwChange*, freeing */
