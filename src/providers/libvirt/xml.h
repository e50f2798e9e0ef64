/* libvirt's XML as resources, and resources as libvirt's XML: pure, both ways. Of a domain only the parts
 * that are lanward's are touched; an edited element keeps all else as it was.
 *
 * Formats: https://libvirt.org/formatdomain.html, https://libvirt.org/formatnetwork.html. Parsers return NULL
 * and LW_ERROR_FAILED on what is not XML of that kind; what they do not know of it they leave out.
 */
#pragma once

#include "resource/resource.h"

/* A network or domain that has an element "lab" of this namespace in its metadata knows of lanward. */
#define LW_VIRT_NAMESPACE "urn:lanward:lab:1"
#define LW_VIRT_PREFIX "lanward"

/* Kind NETWORK; `up` and `autostart` are not in the XML and stay unset. Transfer full. */
LwResource *lw_virt_network_read(const char *xml, GError **error);
/* A network over a bridge that is there: <forward mode='bridge'/>. Transfer full. */
char *lw_virt_network_write(const LwResource *network);

/* A domain's XML, parsed. */
typedef struct LwVirtDomain LwVirtDomain;

LwVirtDomain *lw_virt_domain_parse(const char *xml, GError **error);
void lw_virt_domain_free(LwVirtDomain *domain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwVirtDomain, lw_virt_domain_free)

const char *lw_virt_domain_name(const LwVirtDomain *domain);
guint lw_virt_domain_nics(const LwVirtDomain *domain);
/* A NIC as resource: `link` is its target's name, as it stands there. NULL beyond the last. Transfer full. */
LwResource *lw_virt_nic_read(const LwVirtDomain *domain, guint index);
/* The NIC that has this MAC; the number of NICs when none has. */
guint lw_virt_nic_find(const LwVirtDomain *domain, LwMac mac);
/* The NIC's element as it stands. Transfer full. */
char *lw_virt_nic_text(const LwVirtDomain *domain, guint index);
/* The element changed to another network (`master`; NULL: as it is), link state and isolation; with_port: and
 * port name. Everything else stays. Transfer full. */
char *lw_virt_nic_edit(const LwVirtDomain *domain, guint index, const char *network, gboolean up,
                       gboolean isolated, gboolean with_port, const char *port);
/* The whole domain with this element in place of NIC `index`, at the end when there is none of that index;
 * NULL: without it. Transfer full. */
char *lw_virt_domain_with_nic(const LwVirtDomain *domain, guint index, const char *element, GError **error);
/* A new NIC's element. Transfer full. */
char *lw_virt_nic_write(const LwResource *nic);
/* A NIC's element alone, as from lw_virt_nic_text(). Transfer full. */
LwResource *lw_virt_nic_of_text(const char *element, GError **error);

/* What lanward keeps in a domain's metadata: for each of its NICs (by MAC) how it was before, as XML; "" for
 * one that lanward added. `text` is the metadata's element, NULL when there is none. A GHashTable of "MAC" ->
 * text, transfer full. */
GHashTable *lw_virt_kept_read(const char *text);
/* NULL when nothing is kept and the domain is not lanward's. Transfer full. */
char *lw_virt_kept_write(GHashTable *kept, gboolean created);
gboolean lw_virt_kept_created(const char *text);

/* Kind DOMAIN of a domain that lanward created; of another only its name. Transfer full. */
LwResource *lw_virt_domain_read(const LwVirtDomain *domain);
/* The XML to define. before (nullable): the domain as it is; its UUID, NICs and metadata are kept.
 * type: "kvm" or "qemu". Transfer full. */
char *lw_virt_domain_write(const LwResource *wanted, const LwVirtDomain *before, const char *type);

/* The lab's router as a domain that lanward made (kind DOMAIN with `xml`, resource.h).
 * The XML to define, of wanted->xml: marked, and of the type. before nullable: as above. with_medium FALSE:
 * the disc at wanted->medium is left out. NULL and error: that is no domain's XML. Transfer full. */
char *lw_virt_router_write(const LwResource *wanted, const LwVirtDomain *before, const char *type,
                           gboolean with_medium, GError **error);
/* Its NICs in order, each "PLACE MAC" (PLACE as lw_virt_nic_read() has it), into out (of char*). */
void lw_virt_router_nics(const LwVirtDomain *domain, GPtrArray *out);
/* The terminal of its serial console while it runs, "/dev/pts/3"; NULL: none. Transfer full. */
char *lw_virt_domain_console(const LwVirtDomain *domain);
