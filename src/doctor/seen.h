/* What a machine is like, as far as `doctor`, `init` and `import` have to know: values.
 *
 * lw_seen_look() reads files alone, all of them below a root: "" is this machine, anything else a tree that
 * looks like one (a rescue disk, a test). What no file tells (the packet filter's policy) is read from
 * ROOT/run/lanward-doctor/NAME there; on this machine its caller knows better. A file that is missing or
 * wrong is what it says: nothing there.
 */
#pragma once

#include "base/addr.h"

#include <glib.h>

/* A NIC of a domain. */
typedef struct {
  char *network; /* libvirt's network; nullable */
  char *bridge;  /* a bridge of the host's own; nullable */
  LwMac mac;
} LwSeenNic;

typedef struct {
  char *name, *path; /* path: of its definition */
  guint64 memory;    /* bytes */
  gboolean autostart;
  GPtrArray *nics; /* of LwSeenNic* */
} LwSeenDomain;

/* A network of libvirt's. */
typedef struct {
  char *name, *path;
  char *bridge;      /* nullable */
  gboolean forwards; /* it has <forward> other than to a bridge of ours: libvirt is its router */
  LwPrefix subnet;   /* of its address; unset: isolated, without one */
  GHashTable *hosts; /* MAC as text -> LwAddr*, reservations and leases */
} LwSeenNetwork;

typedef struct {
  char *name;
  gboolean is_bridge;
  gboolean ipv6; /* it has not been turned off there */
  guint32 mtu;
  char *master; /* nullable */
  char *alias;  /* nullable */
  LwMac mac;
} LwSeenLink;

typedef struct {
  LwPrefix prefix; /* length 0: a default route */
  char *link;
  LwAddr via;
  guint32 metric;
} LwSeenRoute;

/* A bridge as NetworkManager's profiles have it. */
typedef struct {
  char *bridge, *path;
  LwPrefix address; /* with host bits; unset: by DHCP, or none */
  GArray *routes;   /* of LwSeenRoute, `link` unset */
  char *port;       /* an Ethernet port of it; nullable */
} LwSeenProfile;

/* A unit of systemd's that starts machines of its own accord. */
typedef struct {
  char *path, *line;
} LwSeenStarter;

/* A device of a GPU's group, or whatever is handed to guests whole, that something else holds. */
typedef struct {
  char *group, *given, *other, *driver; /* PCI addresses */
} LwSeenSplit;

typedef struct {
  gboolean kvm, cpu_virtualises;
  guint iommu_groups;
  gboolean iommu_asked;                        /* on the kernel's command line */
  GPtrArray *splits;                           /* of LwSeenSplit* */
  char *libvirt, *nm;                          /* Debian's versions; NULL: not installed */
  gboolean bridge_nf;                          /* bridged IPv4 goes through iptables */
  gboolean forward_drop;                       /* whose FORWARD drops */
  guint64 memory;                              /* bytes that the kernel has */
  guint64 memory_fitted;                       /* bytes that are in the slots; 0: not known */
  guint64 video;                               /* bytes that an integrated GPU keeps; 0: none, or not known */
  char *video_path;                            /* nullable */
  gboolean docker_enabled, docker_after;       /* it starts at boot; after us */
  gboolean dnsmasq, dhcpcd, wireguard_go;      /* programs */
  gboolean wireguard, tun;                     /* the kernel's own; /dev/net/tun */
  gboolean libvirt_listens;                    /* a daemon of libvirt's */
  gboolean router_ns;                          /* a network namespace "router" */
  gboolean applied;                            /* there is a state of lanward's */
  gboolean guarded;                            /* host-guard is in force */
  gboolean forwards;                           /* net.ipv4.ip_forward */
  gboolean systemd, unit_block, unit_lanward;  /* it runs; our units are enabled */
  gboolean ufw;                                /* it is on */
  char *ufw_rules;                             /* the user's, nullable */
  gboolean firewalld;                          /* it is enabled */
  char *firewalld_default, *firewalld_trusted; /* its default zone; its zone "trusted", as XML; nullable */
  GPtrArray *links;                            /* of LwSeenLink* */
  GPtrArray *routes;                           /* of LwSeenRoute*, IPv4, of the main table */
  GPtrArray *domains;                          /* of LwSeenDomain*, by name */
  GPtrArray *networks;                         /* of LwSeenNetwork*, by name */
  GPtrArray *profiles;                         /* of LwSeenProfile*, by bridge */
  GPtrArray *starters;                         /* of LwSeenStarter* */
  GHashTable *ifupdown;                        /* interface -> the file that names it */
  GHashTable *networkd;                        /* set of interfaces that systemd-networkd keeps */
  GPtrArray *tunnels;                          /* of char*: wg-quick files, absolute, by name */
  GPtrArray *containers; /* of char*: names, for whoever asked the engines (look does not) */
} LwSeen;

LwSeen *lw_seen_new(void);
LwSeen *lw_seen_look(const char *root);
void lw_seen_free(LwSeen *seen);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwSeen, lw_seen_free)

const LwSeenLink *lw_seen_link(const LwSeen *seen, const char *name);       /* nullable */
const LwSeenNetwork *lw_seen_network(const LwSeen *seen, const char *name); /* nullable */
const LwSeenDomain *lw_seen_domain(const LwSeen *seen, const char *name);   /* nullable */
const LwSeenRoute *lw_seen_default_route(const LwSeen *seen);               /* nullable: the best one */
/* The NIC towards the home LAN: that of the default route, or the Ethernet port of the bridge that it is on.
 * NULL: none. Borrowed. */
const char *lw_seen_uplink(const LwSeen *seen);

/* Could it stand in a lab's file: as the name of something of libvirt's or an engine's; of an interface? */
gboolean lw_seen_is_name(const char *text /* nullable */);
gboolean lw_seen_is_interface(const char *text /* nullable */);

/* Parts of lw_seen_look(): each fills in its own members. */
void lw_seen_look_hardware(LwSeen *seen, const char *root);
void lw_seen_look_network(LwSeen *seen, const char *root);
void lw_seen_look_libvirt(LwSeen *seen, const char *root);
void lw_seen_look_system(LwSeen *seen, const char *root);
/* ROOT/PATH's content without its last line's end; NULL: no such file. Transfer full. */
char *lw_seen_read(const char *root, const char *path);
/* The first number in it; `otherwise` where there is none. */
guint64 lw_seen_read_number(const char *root, const char *path, guint64 otherwise);
/* Names in ROOT/PATH, sorted; none where there is no such folder. Transfer full. */
GPtrArray *lw_seen_list(const char *root, const char *path);
