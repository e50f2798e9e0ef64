/* The names of the objects that a lab is made of: one place, so that policy, twin and verify agree. All
 * results are at most 15 bytes where they name an interface, and transfer full. */
#pragma once

#include "model/model.h"
#include "resource/facts.h"

/* The ownership mark of every object that can carry one (alias, comment): one lab a host, whatever its name,
 * so that a lab that is renamed, or undone before it is known which one it was, still owns what it made. */
#define LW_OWNER "lanward"
#define LW_ROUTER_WAN "wan"
#define LW_ROUTER_MGMT "mgmt"
#define LW_ROUTER_WAN_PORT "lw-wan" /* the host's end */
#define LW_MARK_DIRECT 0x4c01u
#define LW_NIC_PORT_PREFIX "lwm"

char *lw_name_router_leg(const LwSegment *segment);  /* inside the router: the segment's name */
char *lw_name_router_port(const LwSegment *segment); /* on the host's bridge: "lw-" + the segment's name */
/* The same, or what the router's port there is called, as far as the facts know. */
char *lw_name_router_port_now(const LwFacts *facts, const LwSegment *segment);
char *lw_name_router_wan_port_now(const LwFacts *facts, const LwLab *lab); /* on the uplink's bridge */
char *lw_name_tunnel(const LwTunnel *tunnel); /* inside the router: "wg-" + the tunnel's name */
char *lw_name_nic_port(LwFacts *facts, const LwLab *lab, guint machine,
                       guint nic);               /* host side: "lwm" + number */
char *lw_name_cell_ns(const LwMachine *machine); /* "cell-" + name */
/* "ctr-" + name + "-" + the namespace's inode: another one with each start of the container, so that what
 * hung on the last one is not taken for what hangs on this one. */
char *lw_name_container_ns(const LwMachine *machine, const LwContainerFact *fact);
/* The namespace of a machine's NICs; NULL: it has none now (a container that does not run, a domain). */
char *lw_name_machine_ns(const LwFacts *facts, const LwMachine *machine);
/* The MAC of the router's WAN leg: the file's, else derived. It is seen on the home LAN, where another host
 * may run the same file: so it follows this host's uplink, where that is known. */
LwMac lw_mac_of_wan(const LwLab *lab, const LwFacts *facts);
char *lw_name_nic(guint nic); /* inside a cell: "eth0" */
guint32 lw_mark_of_exit(LwFacts *facts, const LwLab *lab, guint tunnel /* LW_NONE: direct */);
guint32 lw_table_of_exit(LwFacts *facts, const LwLab *lab, guint tunnel);

/* Where a NIC is now: its segment in the file, or where it was moved to. LW_NONE: cut off. */
guint lw_nic_segment(const LwLab *lab, const LwFacts *facts, guint machine, guint nic);
/* Its address there: declared (when it is in its own segment), else the one kept for it (facts->leases).
 * Unset when it has none. */
LwAddr lw_nic_address(const LwLab *lab, const LwFacts *facts, guint machine, guint nic);
/* Its MAC: as declared, else what it is known to have, else derived. */
LwMac lw_nic_mac_now(const LwLab *lab, const LwFacts *facts, guint machine, guint nic);
/* Its other interface, while it is not the one of lw_name_nic_port() yet: an adopted domain has that from its
 * next start on. Nullable, borrowed. */
const char *lw_nic_other_port(const LwLab *lab, const LwFacts *facts, guint machine, guint nic);
/* Is this, of the host's links, one of the two? */
gboolean lw_nic_has_port(const LwLab *lab, const LwFacts *facts, guint machine, guint nic, const char *port);
/* The exit of a segment that is active now: LW_NONE for direct (and for none: look at the segment). */
guint lw_active_exit(const LwLab *lab, const LwFacts *facts, guint segment);
/* The exit that a source of the segment uses: a pin's, else the active one. */
guint lw_exit_of_source(const LwLab *lab, const LwFacts *facts, guint segment, const LwAddr *source);
