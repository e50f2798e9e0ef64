/* WireGuard's instances as wg-quick files. */
#include "import/internal.h"

#include "base/secret.h"
#include "providers/opnsense/xml.h"

#include <string.h>

static void add_line(GString *out, const char *key, const char *value) {
  if (value && *value)
    g_string_append_printf(out, "%s = %s\n", key, value);
}

static void take(GString *out, const char *key, char *value /* takes */) {
  add_line(out, key, value);
  lw_secret_clear(value);
}

static xmlNode *peer_of(xmlNode *root, xmlNode *server) {
  g_autofree char *peers = lw_xml_text(server, "peers");
  xmlNode *clients = lw_xml_find(root, "OPNsense/wireguard/client/clients");
  LW_XML_EACH(client, clients, "client") {
    xmlChar *uuid = xmlGetProp(client, (const xmlChar *)"uuid");
    gboolean ours = uuid && peers && g_str_has_prefix(peers, (const char *)uuid);
    xmlFree(uuid);
    if (ours)
      return client;
  }
  return NULL;
}

/* The resolver that queries by this tunnel are led to; NULL: none is. */
static const char *resolver_by(const Importing *in, guint tunnel) {
  for (guint i = 0; i < in->world->rdr->len; i++) {
    const LwAuditRule *rdr = in->world->rdr->pdata[i];
    if (!rdr->rule->forward || g_strcmp0(rdr->rule->to_port, "53") != 0 || !rdr->rule->target ||
        lw_ip_set_is_empty(rdr->source))
      continue;
    for (guint z = 0; z < in->world->zones->len; z++) {
      LwAuditDecision decision;
      const LwIpRange *last = &g_array_index(rdr->source->ranges, LwIpRange, rdr->source->ranges->len - 1);
      const LwIpRange *to =
          rdr->destination->ranges->len ? &g_array_index(rdr->destination->ranges, LwIpRange, 0) : NULL;
      LwAuditPacket packet = {.family = 4,
                              .source = lw_ip_previous(last->last),
                              .destination = to ? to->first : last->first,
                              .protocol = 17,
                              .sport = LW_CLIENT_PORT,
                              .dport = 53};
      if (!rdr->on[z] || !to)
        continue;
      if (lw_ip_cmp(last->first, last->last) == 0)
        packet.source = last->last;
      lw_audit_decide(in->world, z, &packet, &decision);
      if (decision.pass && decision.rdr == rdr && decision.where == LW_TO_EXIT && decision.zone == tunnel)
        return rdr->rule->target;
    }
  }
  return NULL;
}

static char *text_of(const Importing *in, xmlNode *root, xmlNode *server, guint zone) {
  GString *out = g_string_new("[Interface]\n");
  xmlNode *peer = peer_of(root, server);
  g_autofree char *host = lw_xml_text(peer, "serveraddress"), *port = lw_xml_text(peer, "serverport");
  take(out, "PrivateKey", lw_xml_text(server, "privkey"));
  take(out, "Address", lw_xml_text(server, "tunneladdress"));
  take(out, "ListenPort", lw_xml_text(server, "port"));
  take(out, "MTU", lw_xml_text(server, "mtu"));
  add_line(out, "DNS", resolver_by(in, zone));
  g_string_append(out, "\n[Peer]\n");
  take(out, "PublicKey", lw_xml_text(peer, "pubkey"));
  take(out, "PresharedKey", lw_xml_text(peer, "psk"));
  take(out, "AllowedIPs", lw_xml_text(peer, "tunneladdress"));
  if (host && *host)
    g_string_append_printf(out, "Endpoint = %s:%s\n", host, port && *port ? port : "51820");
  take(out, "PersistentKeepalive", lw_xml_text(peer, "keepalive"));
  return g_string_free(out, FALSE);
}

static void add_tunnel(Importing *in, xmlNode *root, guint zone) {
  const char *device = lw_audit_zone(in->world, zone)->link->interface->device;
  xmlNode *servers = lw_xml_find(root, "OPNsense/wireguard/server/servers");
  LW_XML_EACH(server, servers, "server") {
    g_autofree char *instance = lw_xml_text(server, "instance");
    g_autofree char *own = g_strdup_printf("wg%s", instance && *instance ? instance : "0");
    if (!g_str_equal(own, device))
      continue;
    LwImportedTunnel *made = g_new0(LwImportedTunnel, 1);
    made->name = g_strdup(in->names->pdata[zone]);
    made->text = text_of(in, root, server, zone);
    g_ptr_array_add(in->out->tunnels, made);
    g_string_append_printf(in->yaml, "  %s: wireguard/%s.conf\n", made->name, made->name);
    return;
  }
  lw_import_note(in, "%s is no WireGuard tunnel: only those are carried over", device);
}

void lw_import_tunnels(Importing *in) {
  xmlDoc *doc = xmlReadMemory(in->config, (int)strlen(in->config), NULL, NULL,
                              XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
  gboolean any = FALSE;
  for (guint z = 0; doc && z < in->world->zones->len; z++) {
    if (lw_audit_zone(in->world, z)->role != LW_ROLE_TUNNEL || !in->names->pdata[z])
      continue;
    g_string_append(in->yaml, any ? "" : "\ntunnels:\n");
    add_tunnel(in, xmlDocGetRootElement(doc), z);
    any = TRUE;
  }
  if (doc)
    xmlFreeDoc(doc);
}
