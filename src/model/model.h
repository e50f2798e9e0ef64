/* The lab as the file means it: plain structs, every reference resolved, every default filled in.
 *
 * A LwLab is built by src/spec (or by hand in tests), validated there, and read-only ("sealed") from then
 * on. Strings belong to the struct that holds them. References to segments, tunnels, machines are indices
 * into the lab's arrays, LW_NONE where there is none. It holds references to secrets, never secrets.
 * All addresses are whole (short forms were expanded). Lists keep the order of the file.
 */
#pragma once

#include "base/addr.h"
#include "base/secret.h"

#include <glib.h>

#define LW_NONE G_MAXUINT

/* Where a line of the spec stands; file NULL for a default. line and column count from 1. */
typedef struct {
  const char *file; /* interned (g_intern_string) */
  guint line;
  guint column;
} LwOrigin;

typedef enum { LW_PROTO_ANY, LW_PROTO_ICMP, LW_PROTO_TCP, LW_PROTO_UDP } LwProto;

/* tcp/445, tcp/8000-8100, udp, icmp. Ports 0-65535 for "all ports" (and for icmp and any). */
typedef struct {
  LwProto proto;
  guint16 first_port;
  guint16 last_port;
} LwPorts;

typedef struct {
  char *name;
  GArray *ports; /* of LwPorts, never empty */
  LwOrigin origin;
} LwService;

/* networks: prefixes that the host routes (containers behind it). */
typedef struct {
  char *name;
  LwPrefix prefix;
  LwOrigin origin;
} LwNetwork;

typedef struct {
  char *uplink;     /* interface name; NULL when given by MAC */
  LwMac uplink_mac; /* set when given by MAC */
  char *bridge;     /* default br0 */
  struct {
    char *bridge; /* default br-mgmt */
    LwPrefix subnet;
    LwAddr address; /* the host's */
    LwAddr router;
    LwOrigin origin;
  } management;
  GPtrArray *services; /* of LwService* */
  GPtrArray *networks; /* of LwNetwork* */
  char *echo;          /* nullable: URL of a service that says the caller's address */
  LwOrigin origin;
} LwHost;

/* A virtual machine that lanward makes. Paths are as the file has them, relative to `folder`. */
typedef struct {
  guint memory; /* MiB */
  guint vcpus;
  char *disk;      /* path; nullable: a default */
  char *image;     /* nullable: what the disk begins as a copy of */
  guint disk_size; /* MiB; 0: the image's; both unset: no disk */
  char *cdrom;     /* nullable */
  char *seed;      /* nullable: cloud-init's user-data */
  gboolean uefi;
  gboolean autostart;
  GPtrArray *devices; /* of char*: PCI addresses, whole */
  char *folder;       /* nullable: not known */
  LwOrigin origin;
} LwCreate;

typedef enum { LW_ROUTER_BUILTIN, LW_ROUTER_OPNSENSE } LwRouterKind;
typedef enum { LW_ADOPT_NONE, LW_ADOPT_OBSERVE, LW_ADOPT_REPLACE } LwAdopt;

typedef struct {
  LwRouterKind kind;
  char *vm;              /* opnsense: the domain; nullable */
  LwAdopt adopt;         /* opnsense */
  char *api_url;         /* nullable */
  char *api_key_file;    /* nullable, as written */
  char *folder;          /* what api_key_file is relative to; nullable: not known */
  char *api_certificate; /* nullable: SHA-256 of the only certificate, 64 hexadecimal digits */
  LwMac wan_mac;         /* router.wan-mac; unset: derived */
  LwCreate *create; /* opnsense: nullable: it is there already. Of it memory, vcpus, image and disk_size */
  LwOrigin origin;
} LwRouter;

typedef enum { LW_MANAGE_HOST = 1, LW_MANAGE_MACHINES = 2, LW_MANAGE_ROUTER = 4, LW_MANAGE_ALL = 7 } LwManage;

/* One [Peer] and [Interface] of a wg-quick file, what of it lanward uses. */
typedef struct {
  LwSecretRef *private_key; /* NULL: the file is missing, unreadable or has none (twin only) */
  GArray *addresses;     /* of LwPrefix; at least one of family 4; family 6 entries are ignored by policy */
  GArray *dns;           /* of LwAddr; may be empty */
  guint mtu;             /* 0: not given, then 1420 */
  guint16 listen_port;   /* 0: not given */
  guint32 fwmark;        /* the file's; only reported */
  char *peer_public_key; /* base64 */
  LwSecretRef *preshared_key; /* nullable */
  char *endpoint_host;        /* a name or an address, as written */
  guint16 endpoint_port;
  GArray *allowed; /* of LwPrefix */
  guint keepalive; /* seconds; 0: off */
} LwWireguard;

typedef struct {
  char *name;
  char *path; /* of the wg-quick file, relative to the spec's folder as written */
  LwWireguard wg;
  LwOrigin origin;
} LwTunnel;

typedef enum { LW_EGRESS_NONE, LW_EGRESS_DIRECT, LW_EGRESS_TUNNELS } LwEgressKind;

/* pin: sources of the range use this exit. */
typedef struct {
  LwRange range;
  guint tunnel; /* LW_NONE: direct */
  LwOrigin origin;
} LwPin;

typedef enum {
  LW_TARGET_HOST,         /* the host, the ports of `ports` */
  LW_TARGET_HOST_SERVICE, /* index into host.services */
  LW_TARGET_SEGMENT,
  LW_TARGET_MACHINE, /* segment + machine */
  LW_TARGET_NETWORK, /* index into host.networks */
  LW_TARGET_HOME_LAN,
  LW_TARGET_INTERNET, /* asserts only */
  LW_TARGET_PREFIX,
  LW_TARGET_ROUTER,     /* asserts only */
  LW_TARGET_ROUTER_NTP, /* router/ntp */
} LwTargetKind;

typedef struct {
  LwTargetKind kind;
  guint index;   /* service, network or segment */
  guint machine; /* LW_TARGET_MACHINE */
  LwPrefix prefix;
} LwTarget;

/* allow: TARGET[:PROTO/PORT] [from RANGE[, RANGE]] */
typedef struct {
  LwTarget target;
  GArray *ports; /* of LwPorts; empty: whatever the target names (a service's ports; else everything) */
  GArray *from;  /* of LwRange; empty: the whole segment */
  char *text;    /* as written; nullable: not from a file */
  LwOrigin origin;
} LwAllow;

typedef struct {
  gboolean tcp, udp;
  guint16 first_port, last_port;
  guint machine;   /* the target */
  guint nic;       /* its NIC in this segment */
  LwAddr address;  /* of that NIC; always set: a forward needs a declared address */
  guint16 to_port; /* = first_port unless to-port says otherwise; ranges keep their offset */
  LwOrigin origin;
} LwForward;

typedef enum { LW_DNS_REDIRECT, LW_DNS_REFUSE } LwDnsForeign;

typedef struct {
  char *name;
  char *bridge;  /* default virbr-NAME */
  char *network; /* default switch-NAME */
  LwPrefix subnet;
  LwAddr router; /* default .1 */
  gboolean has_dhcp;
  LwRange dhcp;
  GArray *dns; /* of LwAddr: upstreams; empty: the exit's own */
  LwDnsForeign dns_foreign;
  LwEgressKind egress;
  GArray *exits; /* of guint tunnel index; LW_EGRESS_TUNNELS: one or more, the first is the initial active */
  GPtrArray *pins;  /* of LwPin* */
  GPtrArray *allow; /* of LwAllow* */
  gboolean trust_host;
  GPtrArray *host_allow; /* of LwAllow*: what the host may open into this segment; target kinds SEGMENT (this
                            one) and MACHINE */
  GPtrArray *forwards;   /* of LwForward* */
  gboolean isolate;
  LwOrigin origin;
  LwOrigin egress_origin, trust_origin, dhcp_origin, dns_origin, dns_foreign_origin, isolate_origin;
} LwSegment;

typedef enum { LW_MACHINE_VM, LW_MACHINE_CONTAINER, LW_MACHINE_CELL } LwMachineKind;

typedef struct {
  guint segment;
  LwAddr address;    /* unset: by DHCP */
  LwMac mac;         /* unset: derived from lab/machine/nic, or a fact */
  GArray *addresses; /* of LwPrefix: further (virtual) addresses it may use */
  gboolean spoof_ok;
  LwOrigin origin;
} LwNic;

/* That lanward starts it with the host, and when. */
typedef struct {
  GArray *after; /* of guint: machines that are ready first */
  guint delay;   /* seconds after that */
  guint timeout; /* seconds: later than that it counts as failed (on the way down: as refusing to end) */
  LwOrigin origin;
} LwMachineStart;

typedef struct {
  char *name;
  LwMachineKind kind;
  char *object;          /* the domain's or container's name; default: name */
  GPtrArray *nics;       /* of LwNic*, at least one */
  GPtrArray *command;    /* cell: argv, of char*; may be empty */
  LwCreate *create;      /* vm: nullable: it is there already */
  LwMachineStart *start; /* nullable: lanward does not start it */
  LwOrigin origin;
} LwMachine;

/* An end of a flow in an assert: a target, or a machine of a segment, as source too. */
typedef struct {
  gboolean allow; /* else deny */
  LwTarget from;
  LwTarget to;
  GArray *ports; /* of LwPorts; empty: anything */
  char *text;    /* as written */
  LwOrigin origin;
} LwAssert;

typedef struct {
  char *name;
  char *domain; /* default NAME.internal */
  LwHost host;
  LwRouter router;
  guint manage;        /* LwManage flags */
  GPtrArray *tunnels;  /* of LwTunnel* */
  GPtrArray *segments; /* of LwSegment* */
  GPtrArray *machines; /* of LwMachine* */
  GPtrArray *asserts;  /* of LwAssert* */
} LwLab;

LwLab *lw_lab_new(void); /* empty, arrays made, defaults of the host filled in */
void lw_lab_free(LwLab *lab);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwLab, lw_lab_free)

/* Constructors with empty arrays; the matching free functions are installed in the lab's arrays. */
LwService *lw_service_new(void);
LwNetwork *lw_network_new(void);
LwTunnel *lw_tunnel_new(void);
void lw_tunnel_free(LwTunnel *tunnel);
LwAddr lw_tunnel_address(const LwTunnel *tunnel); /* the first of IPv4; unset: it has none */
LwSegment *lw_segment_new(void);
LwMachine *lw_machine_new(void);
void lw_machine_free(LwMachine *machine);
LwCreate *lw_create_new(void);
void lw_create_free(LwCreate *create);
LwMachineStart *lw_machine_start_new(void);
void lw_machine_start_free(LwMachineStart *start);
LwNic *lw_nic_new(void);
LwAllow *lw_allow_new(void);
LwAssert *lw_assert_new(void);

LwSegment *lw_lab_segment(const LwLab *lab, guint index);
LwTunnel *lw_lab_tunnel(const LwLab *lab, guint index);
LwMachine *lw_lab_machine(const LwLab *lab, guint index);
LwNic *lw_machine_nic(const LwMachine *machine, guint index);
LwService *lw_lab_service(const LwLab *lab, guint index);
LwNetwork *lw_lab_network(const LwLab *lab, guint index);
/* Index by name, LW_NONE when there is none. */
guint lw_lab_find_segment(const LwLab *lab, const char *name);
guint lw_lab_find_tunnel(const LwLab *lab, const char *name);
guint lw_lab_find_machine(const LwLab *lab, const char *name);
guint lw_lab_find_service(const LwLab *lab, const char *name);
guint lw_lab_find_network(const LwLab *lab, const char *name);

/* The NIC's MAC: as declared, else derived from "LAB/MACHINE/NIC". */
LwMac lw_nic_mac(const LwLab *lab, guint machine, guint nic);

const char *lw_proto_name(LwProto proto);       /* any, icmp, tcp, udp */
char *lw_ports_format(const LwPorts *ports);    /* "tcp/445", "udp/8000-8100", "icmp", "any" */
char *lw_origin_format(const LwOrigin *origin); /* "file:line:column", or "default" */
/* A target as the file writes it: "host/samba", "lan20/seedbox", "internet", "10.0.0.0/8". */
char *lw_target_format(const LwLab *lab, const LwTarget *target);
char *lw_allow_format(const LwLab *lab, const LwAllow *allow);
/* As its file has it, else as lw_allow_format() writes it. Transfer full. */
char *lw_allow_as_written(const LwLab *lab, const LwAllow *allow);
