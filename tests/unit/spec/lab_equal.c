#include "lab_equal.h"

#include <string.h>

#define DIFFER(...) return g_strdup_printf(__VA_ARGS__)
#define SAME_TEXT(field)                                                                                     \
  if (g_strcmp0(a->field, b->field) != 0)                                                                    \
  DIFFER("%s: “%s” and “%s”", #field, a->field, b->field)
#define SAME_NUMBER(field)                                                                                   \
  if (a->field != b->field)                                                                                  \
  DIFFER("%s: %d and %d", #field, (int)a->field, (int)b->field)
#define SAME_ADDR(field)                                                                                     \
  if (!lw_addr_equal(&a->field, &b->field))                                                                  \
  DIFFER("%s", #field)
#define SAME_PREFIX(field)                                                                                   \
  if (!lw_prefix_equal(&a->field, &b->field))                                                                \
  DIFFER("%s", #field)
#define SAME_RANGE(field)                                                                                    \
  if (!lw_range_equal(&a->field, &b->field))                                                                 \
  DIFFER("%s", #field)
#define SAME_MAC(field)                                                                                      \
  if (!lw_mac_equal(&a->field, &b->field))                                                                   \
  DIFFER("%s", #field)
#define SAME_LENGTH(field)                                                                                   \
  if (a->field->len != b->field->len)                                                                        \
  DIFFER("%s: %u and %u", #field, a->field->len, b->field->len)

#define SAME_ARRAY(field, TYPE, equal)                                                                       \
  SAME_LENGTH(field);                                                                                        \
  for (guint i = 0; i < a->field->len; i++)                                                                  \
    if (!equal(&g_array_index(a->field, TYPE, i), &g_array_index(b->field, TYPE, i)))                        \
  DIFFER("%s[%u]", #field, i)

#define SAME_EACH(field, difference)                                                                         \
  SAME_LENGTH(field);                                                                                        \
  for (guint i = 0; i < a->field->len; i++) {                                                                \
    g_autofree char *unlike = difference(a->field->pdata[i], b->field->pdata[i]);                            \
    if (unlike)                                                                                              \
      DIFFER("%s[%u].%s", #field, i, unlike);                                                                \
  }

static gboolean ports_equal(const LwPorts *a, const LwPorts *b) {
  return a->proto == b->proto && a->first_port == b->first_port && a->last_port == b->last_port;
}

static gboolean guint_equal(const guint *a, const guint *b) {
  return *a == *b;
}

static char *service_difference(const LwService *a, const LwService *b) {
  SAME_TEXT(name);
  SAME_ARRAY(ports, LwPorts, ports_equal);
  return NULL;
}

static char *network_difference(const LwNetwork *a, const LwNetwork *b) {
  SAME_TEXT(name);
  SAME_PREFIX(prefix);
  return NULL;
}

static char *host_difference(const LwHost *a, const LwHost *b) {
  SAME_TEXT(echo);
  SAME_TEXT(uplink);
  SAME_MAC(uplink_mac);
  SAME_TEXT(bridge);
  SAME_TEXT(management.bridge);
  SAME_PREFIX(management.subnet);
  SAME_ADDR(management.address);
  SAME_ADDR(management.router);
  SAME_EACH(services, service_difference);
  SAME_EACH(networks, network_difference);
  return NULL;
}

static char *router_difference(const LwRouter *a, const LwRouter *b) {
  SAME_NUMBER(kind);
  SAME_TEXT(vm);
  SAME_NUMBER(adopt);
  SAME_TEXT(api_url);
  SAME_TEXT(api_key_file);
  SAME_TEXT(api_certificate);
  SAME_MAC(wan_mac);
  return NULL;
}

static char *wireguard_difference(const LwWireguard *a, const LwWireguard *b) {
  SAME_TEXT(private_key);
  SAME_ARRAY(addresses, LwPrefix, lw_prefix_equal);
  SAME_ARRAY(dns, LwAddr, lw_addr_equal);
  SAME_NUMBER(mtu);
  SAME_NUMBER(listen_port);
  SAME_NUMBER(fwmark);
  SAME_TEXT(peer_public_key);
  SAME_TEXT(preshared_key);
  SAME_TEXT(endpoint_host);
  SAME_NUMBER(endpoint_port);
  SAME_ARRAY(allowed, LwPrefix, lw_prefix_equal);
  SAME_NUMBER(keepalive);
  return NULL;
}

static char *tunnel_difference(const LwTunnel *a, const LwTunnel *b) {
  SAME_TEXT(name);
  SAME_TEXT(path);
  return wireguard_difference(&a->wg, &b->wg);
}

static char *pin_difference(const LwPin *a, const LwPin *b) {
  SAME_RANGE(range);
  SAME_NUMBER(tunnel);
  return NULL;
}

static char *target_difference(const LwTarget *a, const LwTarget *b) {
  SAME_NUMBER(kind);
  SAME_NUMBER(index);
  SAME_NUMBER(machine);
  SAME_PREFIX(prefix);
  return NULL;
}

static char *allow_difference(const LwAllow *a, const LwAllow *b) {
  SAME_ARRAY(ports, LwPorts, ports_equal);
  SAME_ARRAY(from, LwRange, lw_range_equal);
  return target_difference(&a->target, &b->target);
}

static char *forward_difference(const LwForward *a, const LwForward *b) {
  SAME_NUMBER(tcp);
  SAME_NUMBER(udp);
  SAME_NUMBER(first_port);
  SAME_NUMBER(last_port);
  SAME_NUMBER(machine);
  SAME_NUMBER(nic);
  SAME_ADDR(address);
  SAME_NUMBER(to_port);
  return NULL;
}

static char *segment_difference(const LwSegment *a, const LwSegment *b) {
  SAME_TEXT(name);
  SAME_TEXT(bridge);
  SAME_TEXT(network);
  SAME_PREFIX(subnet);
  SAME_ADDR(router);
  SAME_NUMBER(has_dhcp);
  SAME_RANGE(dhcp);
  SAME_ARRAY(dns, LwAddr, lw_addr_equal);
  SAME_NUMBER(dns_foreign);
  SAME_NUMBER(egress);
  SAME_ARRAY(exits, guint, guint_equal);
  SAME_EACH(pins, pin_difference);
  SAME_EACH(allow, allow_difference);
  SAME_NUMBER(trust_host);
  SAME_EACH(host_allow, allow_difference);
  SAME_EACH(forwards, forward_difference);
  SAME_NUMBER(isolate);
  return NULL;
}

static char *nic_difference(const LwNic *a, const LwNic *b) {
  SAME_NUMBER(segment);
  SAME_ADDR(address);
  SAME_MAC(mac);
  SAME_ARRAY(addresses, LwPrefix, lw_prefix_equal);
  SAME_NUMBER(spoof_ok);
  return NULL;
}

static char *text_difference(const char *a, const char *b) {
  return g_strcmp0(a, b) == 0 ? NULL : g_strdup_printf("“%s” and “%s”", a, b);
}

static char *create_difference(const LwCreate *a, const LwCreate *b) {
  SAME_NUMBER(memory);
  SAME_NUMBER(vcpus);
  SAME_TEXT(disk);
  SAME_TEXT(image);
  SAME_NUMBER(disk_size);
  SAME_TEXT(cdrom);
  SAME_TEXT(seed);
  SAME_NUMBER(uefi);
  SAME_NUMBER(autostart);
  SAME_EACH(devices, text_difference);
  return NULL;
}

static char *machine_difference(const LwMachine *a, const LwMachine *b) {
  if (!a->start != !b->start)
    return g_strdup("one is started");
  if (a->start && (a->start->delay != b->start->delay || a->start->timeout != b->start->timeout ||
                   a->start->after->len != b->start->after->len ||
                   (a->start->after->len && memcmp(a->start->after->data, b->start->after->data,
                                                   a->start->after->len * sizeof(guint)) != 0)))
    return g_strdup("start differs");
  if (!a->create != !b->create)
    return g_strdup("one is created");
  char *create = a->create ? create_difference(a->create, b->create) : NULL;
  if (create)
    return create;
  SAME_TEXT(name);
  SAME_NUMBER(kind);
  SAME_TEXT(object);
  SAME_EACH(nics, nic_difference);
  SAME_EACH(command, text_difference);
  return NULL;
}

static char *assert_difference(const LwAssert *a, const LwAssert *b) {
  SAME_NUMBER(allow);
  SAME_ARRAY(ports, LwPorts, ports_equal);
  SAME_TEXT(text);
  char *from = target_difference(&a->from, &b->from);
  return from ? from : target_difference(&a->to, &b->to);
}

char *lab_difference(const LwLab *a, const LwLab *b) {
  SAME_TEXT(name);
  SAME_TEXT(domain);
  SAME_NUMBER(manage);
  char *inner = host_difference(&a->host, &b->host);
  if (!inner)
    inner = router_difference(&a->router, &b->router);
  if (inner)
    return inner;
  SAME_EACH(tunnels, tunnel_difference);
  SAME_EACH(segments, segment_difference);
  SAME_EACH(machines, machine_difference);
  SAME_EACH(asserts, assert_difference);
  return NULL;
}
