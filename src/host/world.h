/* The machine that a lab runs on, as far as the lab has to know it: what a look tells, and what of it goes
 * into the wanted resources. The twin's counterpart is twin/world.h.
 *
 * lw_host_look() is the only part that asks the machine (beside what it is handed: links, addresses and
 * routes as the kernel lists them); all else is values. */
#pragma once

#include "model/model.h"
#include "resource/facts.h"
#include "resource/resource.h"

/* Who keeps the uplink's configuration. */
typedef enum {
  LW_UPLINK_NOBODY, /* nobody that we know: the kernel provider makes the bridge, until the next boot */
  LW_UPLINK_NETWORKMANAGER, /* its profiles do, and outlive a boot */
  LW_UPLINK_BRIDGED,        /* it is a port of the lab's bridge already, which is not ours: left as it is */
  LW_UPLINK_IFUPDOWN,       /* /etc/network/interfaces names it: refused */
  LW_UPLINK_NETWORKD,       /* systemd-networkd: refused */
  LW_UPLINK_MISSING,        /* there is no such interface */
} LwUplinkKeeper;

typedef struct {
  char *uplink; /* the NIC's name, by the file's name or MAC; NULL: the file has none, or MISSING */
  LwMac mac;    /* its MAC, which the bridge takes over; unset: not known */
  LwUplinkKeeper keeper;
  gboolean networkmanager; /* it runs */
  char *client_id;         /* NETWORKMANAGER: what DHCP was asked with; nullable: no lease */
  int priority;            /* NETWORKMANAGER: autoconnect priority of the user's own profile of the uplink */
  gboolean management;     /* the lab's management bridge is there, and is somebody else's: left as it is */
  gboolean libvirt;        /* a libvirt daemon listens */
  gboolean dynamic;        /* the uplink's address is a lease */
  char *client;            /* nullable: who keeps that lease now, "dhclient (pid 812)" */
  LwAddr gateway;          /* of the default route; unset: none */
  LwResourceSet *taken; /* the uplink's own IPv4 addresses and routes, by its own name: what the bridge takes
                           over from it, and what it gets back in the end; NOBODY only */

  /* firewalls of the host's own that stop what the file allows; looked for only where the file allows
   * anything */
  gboolean ufw;         /* active */
  gboolean docker;      /* DOCKER-USER is in the way of what is forwarded */
  char *firewalld;      /* nullable: it runs; the management bridge's zone, as it lists it */
  char *firewalld_zone; /* its name */
} LwHostWorld;

/* seen: links, addresses and routes of the host's namespace, complete. taken (nullable): what was taken over
 * from the uplink before; else it is what the uplink has now. Transfer full. */
LwHostWorld *lw_host_look(const LwLab *lab, const LwResourceSet *seen, const LwResourceSet *taken,
                          GError **error);
void lw_host_world_free(LwHostWorld *world);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwHostWorld, lw_host_world_free)

/* Addresses of the tunnels' endpoints into facts->endpoints. A name that facts->resolved does not know yet is
 * asked of the host's own resolver. One that nobody knows is left out, and told in `unknown` (of char*: the
 * tunnel and the name). */
void lw_host_resolve_endpoints(const LwLab *lab, LwFacts *facts, GPtrArray *unknown);

/* One of them that is a name, asked once more; what is known stays where nobody answers (FALSE), or where it
 * is among the answers. */
gboolean lw_host_resolve_again(const LwTunnel *tunnel, LwFacts *facts);

/* Makes of what policy wants what is wanted on this machine: the uplink and its bridge by whoever keeps it
 * (profiles.c: by NetworkManager), libvirt's networks and domains (domains.c), and what `manage:` leaves out
 * marked as observed. */
gboolean lw_host_add(const LwHostWorld *world, const LwLab *lab, LwFacts *facts, LwResourceSet *wanted,
                     GError **error);
/* What is wanted once the lab is gone: the uplink as it was. Transfer full. */
LwResourceSet *lw_host_without_lab(const LwHostWorld *world);

/* A shell script that undoes the lab without lanward (DESIGN §4.7): the uplink first. run_dir: of pid files.
 * Transfer full. */
char *lw_host_rescue_script(const LwHostWorld *world, const LwLab *lab, const LwResourceSet *wanted,
                            const char *run_dir);
/* Does the file allow anything to this host, and anything through it to networks:? */
gboolean lw_host_offers(const LwLab *lab);
gboolean lw_host_forwards(const LwLab *lab);
/* What firewalld stops and the file allows, with the commands that open it; NULL: nothing. Transfer full. */
char *lw_host_firewalld_note(const LwHostWorld *world, const LwLab *lab);

/* A virtual machine that libvirt has, as far as the facts know. */
gboolean lw_host_has_domain(const LwFacts *facts, const LwMachine *machine);

/* Parts of lw_host_add(), in this order. */
void lw_host_add_uplink(const LwHostWorld *world, const LwLab *lab, LwResourceSet *wanted);
gboolean lw_host_add_profiles(const LwHostWorld *world, const LwLab *lab, LwResourceSet *wanted,
                              GError **error);
void lw_host_add_openings(const LwHostWorld *world, const LwLab *lab, LwResourceSet *wanted);
gboolean lw_host_add_domains(const LwHostWorld *world, const LwLab *lab, LwFacts *facts,
                             LwResourceSet *wanted, GError **error);
void lw_host_mark_observed(const LwLab *lab, const LwFacts *facts, LwResourceSet *wanted);
