/* The audit for programs. */
#include "audit/audit.h"

static JsonArray *strings(const GPtrArray *list) {
  JsonArray *out = json_array_new();
  for (guint i = 0; i < list->len; i++)
    json_array_add_string_element(out, list->pdata[i]);
  return out;
}

static JsonObject *packet_json(const LwAuditShown *shown) {
  JsonObject *out = json_object_new();
  json_object_set_string_member(out, "in", shown->in);
  json_object_set_string_member(out, "protocol", shown->protocol);
  json_object_set_string_member(out, "source", shown->source);
  json_object_set_string_member(out, "destination", shown->destination);
  if (shown->dport) {
    json_object_set_int_member(out, "source_port", shown->sport);
    json_object_set_int_member(out, "destination_port", shown->dport);
  }
  json_object_set_string_member(out, "goes", shown->goes);
  json_object_set_string_member(out, "rule", shown->rule);
  return out;
}

static JsonObject *finding_json(const LwAuditFinding *finding) {
  JsonObject *out = json_object_new();
  JsonArray *packets = json_array_new();
  json_object_set_string_member(out, "harm", lw_harm_name(finding->harm));
  json_object_set_string_member(out, "kind", finding->kind);
  json_object_set_string_member(out, "title", finding->title);
  json_object_set_string_member(out, "detail", finding->detail);
  json_object_set_string_member(out, "remedy", finding->remedy);
  for (guint i = 0; i < finding->packets->len; i++)
    json_array_add_object_element(packets, packet_json(finding->packets->pdata[i]));
  json_object_set_array_member(out, "packets", packets);
  json_object_set_array_member(out, "rules", strings(finding->rules));
  return out;
}

static JsonObject *flow_json(const LwAuditFlow *flow) {
  JsonObject *out = json_object_new();
  json_object_set_string_member(out, "rule", flow->rule);
  json_object_set_string_member(out, "services", flow->services);
  json_object_set_string_member(out, "to", flow->to);
  if (flow->way)
    json_object_set_string_member(out, "way", flow->way);
  return out;
}

static JsonObject *cell_json(const LwAuditCell *cell, const char *from, const char *to) {
  static const char *const words[] = {"none", "some", "all"};
  JsonObject *out = json_object_new();
  JsonArray *flows = json_array_new();
  json_object_set_string_member(out, "from", from);
  json_object_set_string_member(out, "to", to);
  json_object_set_string_member(out, "open", words[cell->open]);
  json_object_set_array_member(out, "exits", strings(cell->exits));
  for (guint i = 0; i < cell->flows->len; i++)
    json_array_add_object_element(flows, flow_json(cell->flows->pdata[i]));
  json_object_set_array_member(out, "flows", flows);
  return out;
}

static JsonObject *matrix_json(const LwAuditMatrix *matrix, const LwAuditWorld *world) {
  JsonObject *out = json_object_new();
  JsonArray *cells = json_array_new();
  for (guint i = 0; i < matrix->rows->len; i++)
    for (guint c = 0; c < matrix->columns->len; c++) {
      const LwAuditCell *cell = ((GPtrArray *)matrix->rows->pdata[i])->pdata[c];
      if (cell)
        json_array_add_object_element(cells, cell_json(cell, lw_audit_zone(world, i)->name,
                                                       ((LwAuditColumn *)matrix->columns->pdata[c])->name));
    }
  json_object_set_int_member(out, "ip_version", matrix->family);
  json_object_set_array_member(out, "cells", cells);
  return out;
}

static JsonArray *zones_json(const LwAuditWorld *world) {
  static const char *const roles[] = {"inside", "uplink", "tunnel"};
  JsonArray *out = json_array_new();
  for (guint i = 0; i < world->zones->len; i++) {
    const LwAuditZone *zone = lw_audit_zone(world, i);
    JsonObject *object = json_object_new();
    g_autofree char *network = lw_ip_set_format(zone->network, 4);
    json_object_set_string_member(object, "name", zone->name);
    json_object_set_string_member(object, "interface", zone->link->interface->key);
    json_object_set_string_member(object, "device", zone->link->interface->device);
    json_object_set_string_member(object, "role", roles[zone->role]);
    json_object_set_boolean_member(object, "management", zone->management);
    json_object_set_string_member(object, "network", network);
    json_array_add_object_element(out, object);
  }
  return out;
}

JsonObject *lw_audit_to_json(const LwAudit *audit, const char *name) {
  JsonObject *out = json_object_new();
  JsonArray *findings = json_array_new(), *matrices = json_array_new();
  json_object_set_string_member(out, "file", name);
  json_object_set_boolean_member(out, "ipv6", audit->opn->ipv6_allowed);
  json_object_set_array_member(out, "interfaces", zones_json(audit->worlds->pdata[0]));
  for (guint i = 0; i < audit->matrices->len; i++)
    json_array_add_object_element(matrices, matrix_json(audit->matrices->pdata[i], audit->worlds->pdata[i]));
  json_object_set_array_member(out, "matrices", matrices);
  for (guint i = 0; i < audit->findings->len; i++)
    json_array_add_object_element(findings, finding_json(audit->findings->pdata[i]));
  json_object_set_array_member(out, "findings", findings);
  json_object_set_array_member(out, "notes", strings(audit->notes));
  return out;
}
