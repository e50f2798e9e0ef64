/* What only a look at the world (or the state) tells, and the policy needs. Values; no I/O here. */
#pragma once

#include "base/addr.h"

#include <glib.h>

typedef struct {
  /* the world */
  gboolean bridge_meta;      /* nft knows meta ibrname in the bridge family */
  gboolean kernel_wireguard; /* the kernel has WireGuard */
  GHashTable *endpoints;     /* tunnel name -> LwAddr* of its endpoint's name, resolved */
  GHashTable *resolved;      /* name of an endpoint -> LwAddr*: as it was resolved last; kept for boot */
  char *router_ns;           /* namespace of the builtin router */
  gboolean cells_stand_in;   /* the twin: a cell in place of every machine */
  LwMac uplink_mac;          /* of the physical NIC; unset: not known */
  LwPrefix home_lan;         /* by WAN's lease; unset (family 0): none yet */
  GArray *wan_resolvers;     /* of LwAddr: what WAN's lease names; may be empty */

  /* libvirt, as it is now. A machine's NIC: "MACHINE/INDEX" */
  GHashTable *domains;  /* name of each domain -> whether lanward made it (GUINT_TO_POINTER); NULL: nobody
                           looked, or nobody  answered */
  GHashTable *networks; /* bridge that a network of libvirt's own makes -> LwResource*, kind NETWORK */
  GHashTable *bridges;  /* set of segments' bridges that somebody else made, and the file names: used, never
                           removed */
  GHashTable *macs;     /* NIC -> LwMac*: what a domain's NIC has */
  GHashTable *ports;    /* NIC -> char*: its interface, while that is not yet the one that lanward names */
  GHashTable
      *places; /* NIC -> char*: "/bridge/NAME", of one that is plugged into a bridge without a network */
  GHashTable *own_ports; /* NIC -> char*: the name that its definition gives its interface; not lanward's */
  GHashTable *router_ports; /* a segment's bridge or the uplink's -> char*: the router's port there, where it
                               is a virtual machine and its port is not named by lanward */

  /* numbers: given once, kept in the state, appended only. name -> GUINT_TO_POINTER(number), from 1.
     "exit/NAME" (direct is always 1), "segment/NAME", "nic/MACHINE/INDEX" */
  GHashTable *numbers;

  /* addresses given to declared NICs that have none of their own: "MACHINE/INDEX/SEGMENT" -> LwAddr* */
  GHashTable *leases;

  GHashTable *containers; /* machine name -> LwContainerFact*, of those that are containers */

  /* run-time state: */
  GHashTable *active;    /* segment name -> tunnel name, where switched */
  GHashTable *positions; /* "MACHINE/INDEX" -> segment name, where moved */
  GHashTable *cut;       /* set of machine names */
  GPtrArray *probes;     /* of LwProbePort*: extra, short-lived machines of verify */
} LwFacts;

/* A container that the lab names, as its engine tells it. */
typedef struct {
  char *process; /* its first process, as lw_process_identity() has it; NULL: it does not run */
  guint64 netns; /* inode of its network namespace, while it runs */
  char *file;    /* what its engine shows it as /etc/resolv.conf; nullable */
  char *trouble; /* why it cannot be a machine, with the remedy (it has a way round); nullable */
  char *note;    /* what its owner should know (it is not there, …); nullable */
} LwContainerFact;

LwContainerFact *lw_container_fact_new(void);
void lw_container_fact_free(LwContainerFact *fact);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwContainerFact, lw_container_fact_free)

/* A probe of verify: allowed by host-guard as if it were declared. */
typedef struct {
  char *name; /* its port on the host side; at most 15 bytes */
  char *segment;
  LwAddr address;
  LwMac mac;
} LwProbePort;

LwFacts *lw_facts_new(void);
void lw_facts_free(LwFacts *facts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwFacts, lw_facts_free)

/* The number of a name, given now (the smallest free) when it has none yet. */
guint lw_facts_number(LwFacts *facts, const char *class_name, const char *name);
/* The number that it has; 0: none yet. */
guint lw_facts_known_number(const LwFacts *facts, const char *class_name, const char *name);
