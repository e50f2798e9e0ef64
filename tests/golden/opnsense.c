/* Labs as a config.xml: compared with the files kept beside this one; read back; and proved: the rules that
 * OPNsense makes of it let through exactly what the labs' files imply, and by the exits that they name. */
#include "audit/audit.h"
#include "base/process.h"
#include "policy/intent.h"
#include "policy/names.h"
#include "policy/policy.h"
#include "providers/opnsense/changes.h"
#include "providers/opnsense/generate.h"
#include "providers/opnsense/merge.h"
#include "providers/opnsense/vm.h"
#include "spec/spec.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *source_dir;

static LwLab *load(const char *path) {
  g_autofree char *whole = g_build_filename(source_dir, path, NULL);
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  LwLab *lab = lw_spec_load(whole, LW_SPEC_TWIN, secrets, diagnostics);
  for (guint i = 0; !lab && i < diagnostics->len; i++) {
    g_autofree char *text = lw_diagnostic_format(diagnostics->pdata[i], FALSE);
    g_test_message("%s", text);
  }
  g_assert_nonnull(lab);
  return lab;
}

static LwFacts *facts_for(const LwLab *lab) {
  LwFacts *facts = lw_facts_new();
  g_autoptr(GError) error = NULL;
  LwAddr resolver;
  g_assert_true(lw_addr_parse("203.0.113.1", &resolver));
  g_array_append_val(facts->wan_resolvers, resolver);
  g_assert_true(lw_prefix_parse("203.0.113.0/24", &facts->home_lan)); /* what stands for WAN's lease */
  g_assert_true(lw_policy_assign(lab, facts, &error));
  g_assert_no_error(error);
  return facts;
}

static char *config_of(const LwLab *lab, LwFacts *facts) {
  g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GError) error = NULL;
  char *text = lw_opn_config(lab, facts, NULL, NULL, notes, &error);
  g_assert_no_error(error);
  return text;
}

/* ---- the questions ---- */

typedef struct {
  const LwLab *lab;
  LwFacts *facts;
  const LwAuditWorld *world;
  GHashTable *devices; /* key in the lab's own file -> device */
  GArray *places;      /* of LwAddr: destinations */
  GArray *services;    /* of LwPorts: one port each */
  guint asked, wrong;
} Proof;

static void add_addr(GArray *out, LwAddr addr) {
  for (guint i = 0; i < out->len; i++)
    if (lw_addr_equal(&g_array_index(out, LwAddr, i), &addr))
      return;
  g_array_append_val(out, addr);
}

/* The ends of a range and what lies just outside. */
static void add_edges(GArray *out, const LwRange *range) {
  add_addr(out, range->first);
  add_addr(out, range->last);
  add_addr(out, lw_addr_add(&range->first, -1));
  add_addr(out, lw_addr_add(&range->last, 1));
}

static void add_prefix_edges(GArray *out, const LwPrefix *prefix) {
  LwRange range = lw_prefix_range(prefix);
  add_edges(out, &range);
  add_addr(out, lw_addr_add(&range.first, 2));
}

static void add_machines(const Proof *proof, GArray *out, guint segment) {
  for (guint m = 0; m < proof->lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(proof->lab, m)->nics->len; n++) {
      const LwNic *nic = lw_machine_nic(lw_lab_machine(proof->lab, m), n);
      LwAddr addr = lw_nic_address(proof->lab, proof->facts, m, n);
      if (segment != LW_NONE && nic->segment != segment)
        continue;
      if (lw_addr_is_set(&addr))
        add_addr(out, addr);
      for (guint i = 0; i < nic->addresses->len; i++)
        add_addr(out, g_array_index(nic->addresses, LwPrefix, i).addr);
    }
}

static void collect_places(Proof *proof) {
  static const char *const more[] = {"1.0.0.1",     "9.9.9.9",   "8.8.8.8",    "10.77.1.1",
                                     "100.100.3.4", "10.64.1.1", "203.0.113.2"};
  LwPrefix special;
  LwAddr addr;
  for (guint i = 0; lw_intent_special(i, &special); i++)
    if (special.addr.bytes[0] != 0 && special.addr.bytes[0] != 127 && special.addr.bytes[0] < 224)
      add_prefix_edges(proof->places, &special);
  for (guint i = 0; i < G_N_ELEMENTS(more); i++)
    if (lw_addr_parse(more[i], &addr))
      add_addr(proof->places, addr);
  for (guint i = 0; i < proof->lab->segments->len; i++) {
    add_prefix_edges(proof->places, &lw_lab_segment(proof->lab, i)->subnet);
    add_addr(proof->places, lw_lab_segment(proof->lab, i)->router);
  }
  for (guint i = 0; i < proof->lab->host.networks->len; i++)
    add_prefix_edges(proof->places, &lw_lab_network(proof->lab, i)->prefix);
  add_addr(proof->places, proof->lab->host.management.address);
  add_addr(proof->places, proof->lab->host.management.router);
  add_machines(proof, proof->places, LW_NONE);
}

static void add_service(Proof *proof, LwProto proto, gint64 port) {
  LwPorts one = {proto, (guint16)port, (guint16)port};
  for (guint i = 0; i < proof->services->len; i++) {
    const LwPorts *each = &g_array_index(proof->services, LwPorts, i);
    if (each->proto == proto && each->first_port == one.first_port)
      return;
  }
  if (port > 0 && port < 65536)
    g_array_append_val(proof->services, one);
}

static void add_port_edges(Proof *proof, const GArray *list) {
  for (guint i = 0; i < list->len; i++) {
    const LwPorts *each = &g_array_index(list, LwPorts, i);
    for (int offset = -1; offset <= 1; offset++)
      for (LwProto proto = LW_PROTO_TCP; proto <= LW_PROTO_UDP; proto++) {
        add_service(proof, proto, each->first_port + offset);
        add_service(proof, proto, each->last_port + offset);
      }
  }
}

static void collect_services(Proof *proof) {
  static const guint16 known[] = {22, 53, 67, 80, 123, 443, 445, 853, 5353, 50001};
  LwPorts ping = {LW_PROTO_ICMP, 0, 0};
  g_array_append_val(proof->services, ping);
  for (guint i = 0; i < G_N_ELEMENTS(known); i++)
    for (LwProto proto = LW_PROTO_TCP; proto <= LW_PROTO_UDP; proto++)
      add_service(proof, proto, known[i]);
  for (guint i = 0; i < proof->lab->host.services->len; i++)
    add_port_edges(proof, lw_lab_service(proof->lab, i)->ports);
  for (guint i = 0; i < proof->lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(proof->lab, i);
    const GPtrArray *lists[] = {segment->allow, segment->host_allow};
    for (guint l = 0; l < 2; l++)
      for (guint n = 0; n < lists[l]->len; n++)
        add_port_edges(proof, ((LwAllow *)lists[l]->pdata[n])->ports);
    for (guint n = 0; n < segment->forwards->len; n++) {
      const LwForward *forward = segment->forwards->pdata[n];
      LwPorts ports = {LW_PROTO_TCP, forward->first_port, forward->last_port};
      g_autoptr(GArray) one = g_array_new(FALSE, FALSE, sizeof ports);
      g_array_append_val(one, ports);
      ports.first_port = ports.last_port = forward->to_port;
      g_array_append_val(one, ports);
      add_port_edges(proof, one);
    }
  }
}

/* Every source of a segment that a line of the file could tell from another. */
static GArray *sources_of(const Proof *proof, guint index) {
  const LwSegment *segment = lw_lab_segment(proof->lab, index);
  GArray *all = g_array_new(FALSE, FALSE, sizeof(LwAddr));
  GArray *out = g_array_new(FALSE, FALSE, sizeof(LwAddr));
  LwRange whole = lw_prefix_range(&segment->subnet);
  add_addr(all, lw_addr_add(&whole.first, 1));
  add_addr(all, lw_addr_add(&whole.first, 2));
  add_addr(all, lw_addr_add(&whole.last, -1));
  for (guint i = 0; i < segment->pins->len; i++)
    add_edges(all, &((LwPin *)segment->pins->pdata[i])->range);
  for (guint i = 0; i < segment->allow->len; i++) {
    const GArray *from = ((LwAllow *)segment->allow->pdata[i])->from;
    for (guint n = 0; n < from->len; n++)
      add_edges(all, &g_array_index(from, LwRange, n));
  }
  add_machines(proof, all, index);
  for (guint i = 0; i < all->len; i++) {
    LwAddr addr = g_array_index(all, LwAddr, i);
    if (lw_prefix_contains(&segment->subnet, &addr) && !lw_addr_equal(&addr, &segment->router) &&
        !lw_addr_equal(&addr, &whole.first) && !lw_addr_equal(&addr, &whole.last))
      add_addr(out, addr);
  }
  g_array_unref(all);
  return out;
}

static LwZone zone_of(const Proof *proof, const LwAddr *addr) {
  const LwLab *lab = proof->lab;
  if (lw_ip_set_contains(proof->world->self, lw_ip_of(addr)))
    return (LwZone){LW_ZONE_ROUTER, 0};
  if (lw_addr_equal(addr, &lab->host.management.address))
    return (LwZone){LW_ZONE_HOST, 0};
  for (guint i = 0; i < lab->segments->len; i++)
    if (lw_prefix_contains(&lw_lab_segment(lab, i)->subnet, addr))
      return (LwZone){LW_ZONE_SEGMENT, i};
  for (guint i = 0; i < lab->host.networks->len; i++)
    if (lw_prefix_contains(&lw_lab_network(lab, i)->prefix, addr))
      return (LwZone){LW_ZONE_NETWORK, i};
  if (lw_prefix_contains(&proof->facts->home_lan, addr))
    return (LwZone){LW_ZONE_HOME_LAN, 0};
  return (LwZone){LW_ZONE_INTERNET, LW_NONE};
}

/* By the key that the lab's own file has; in a file that it was put into the device counts. */
static int leg_of(const Proof *proof, const char *key) {
  const char *device = g_hash_table_lookup(proof->devices, key);
  for (guint i = 0; i < proof->world->zones->len; i++)
    if (g_strcmp0(lw_audit_zone(proof->world, i)->link->interface->device, device) == 0)
      return (int)i;
  return -1;
}

static LwAuditPacket packet_of(const LwFlowQuestion *question) {
  LwAuditPacket packet = {.family = 4,
                          .source = lw_ip_of(&question->source),
                          .destination = lw_ip_of(&question->destination),
                          .sport = question->port == 67 ? 68 : LW_CLIENT_PORT,
                          .dport = question->port};
  packet.protocol = question->proto == LW_PROTO_ICMP ? 1 : question->proto == LW_PROTO_TCP ? 6 : 17;
  packet.icmp_type = 8;
  return packet;
}

static gboolean same_exit(const Proof *proof, const LwAuditDecision *decision, guint exit) {
  g_autofree char *key =
      exit == LW_NONE ? g_strdup("wan") : lw_opn_tunnel_interface(proof->facts, proof->lab, exit);
  return decision->where == LW_TO_EXIT && (int)decision->zone == leg_of(proof, key);
}

/* A query, whoever was asked, is led to the resolver of the exit that its source uses; without egress to the
 * gateway, which knows the lab's names. What is led does not get where it was sent. */
static gboolean led_well(const Proof *proof, const LwFlowQuestion *question,
                         const LwAuditDecision *decision) {
  guint segment = question->from.index;
  guint exit = lw_exit_of_source(proof->lab, proof->facts, segment, &question->source);
  gboolean leaves = lw_lab_segment(proof->lab, segment)->egress != LW_EGRESS_NONE || exit != LW_NONE;
  if (!decision->pass || question->port != 53 || question->proto == LW_PROTO_ICMP)
    return FALSE;
  return leaves ? same_exit(proof, decision, exit) : decision->where == LW_TO_SELF;
}

static gboolean is_right(const Proof *proof, const LwFlowQuestion *question, const LwFlowAnswer *answer,
                         const LwAuditDecision *decision) {
  if (question->from.kind == LW_ZONE_SEGMENT && decision->rdr)
    return led_well(proof, question, decision);
  if (decision->pass != answer->allow)
    return FALSE;
  return !answer->allow || question->to.kind != LW_ZONE_INTERNET || same_exit(proof, decision, answer->exit);
}

static void ask(Proof *proof, guint leg, const LwFlowQuestion *question) {
  LwFlowAnswer answer;
  LwAuditDecision decision;
  LwAuditPacket packet = packet_of(question);
  lw_intent_answer(proof->lab, proof->facts, question, &answer);
  lw_audit_decide(proof->world, leg, &packet, &decision);
  proof->asked++;
  if (!is_right(proof, question, &answer, &decision) && proof->wrong++ < 12) {
    LwPorts port = {question->proto, question->port, question->port};
    g_autofree char *from = lw_addr_format(&question->source), *to = lw_addr_format(&question->destination);
    g_autofree char *service = lw_ports_format(&port);
    g_test_message("%s: %s -> %s %s: the file: %s (%s, exit %d); the rules: %s by “%s”%s, leg %u",
                   lw_audit_zone(proof->world, leg)->name, from, to, service,
                   answer.allow ? "allowed" : "denied", answer.reason, (int)answer.exit,
                   decision.pass ? "pass" : "block", decision.in ? decision.in->rule->descr : "-",
                   decision.rdr ? ", led on" : "", decision.zone);
  }
  lw_flow_answer_clear(&answer);
}

static void ask_services(Proof *proof, int leg, LwFlowQuestion question) {
  g_assert_cmpint(leg, >=, 0);
  for (guint i = 0; i < proof->services->len; i++) {
    const LwPorts *service = &g_array_index(proof->services, LwPorts, i);
    question.proto = service->proto;
    question.port = service->first_port;
    ask(proof, (guint)leg, &question);
  }
}

static void ask_segment(Proof *proof, guint index) {
  g_autofree char *key = lw_opn_segment_interface(proof->facts, lw_lab_segment(proof->lab, index));
  g_autoptr(GArray) sources = sources_of(proof, index);
  for (guint s = 0; s < sources->len; s++)
    for (guint d = 0; d < proof->places->len; d++) {
      LwFlowQuestion question = {.from = {LW_ZONE_SEGMENT, index},
                                 .source = g_array_index(sources, LwAddr, s),
                                 .destination = g_array_index(proof->places, LwAddr, d)};
      question.to = zone_of(proof, &question.destination);
      /* machines of one segment meet without the router */
      if (question.to.kind != LW_ZONE_SEGMENT || question.to.index != index)
        ask_services(proof, leg_of(proof, key), question);
    }
}

static void ask_host(Proof *proof) {
  for (guint d = 0; d < proof->places->len; d++) {
    LwFlowQuestion question = {.from = {LW_ZONE_HOST, 0},
                               .source = proof->lab->host.management.address,
                               .destination = g_array_index(proof->places, LwAddr, d)};
    question.to = zone_of(proof, &question.destination);
    if (question.to.kind == LW_ZONE_HOST || question.to.kind == LW_ZONE_NETWORK)
      continue;
    ask_services(proof, leg_of(proof, "lan"), question);
    for (guint i = 0; i < proof->lab->host.networks->len; i++) {
      const LwPrefix *prefix = &lw_lab_network(proof->lab, i)->prefix;
      question.from = (LwZone){LW_ZONE_NETWORK, i};
      question.source = lw_addr_add(&prefix->addr, 7);
      ask_services(proof, leg_of(proof, "lan"), question);
    }
  }
}

/* By an exit: to its own address, and straight to what is inside. */
static void ask_exit(Proof *proof, guint exit) {
  g_autofree char *key =
      exit == LW_NONE ? g_strdup("wan") : lw_opn_tunnel_interface(proof->facts, proof->lab, exit);
  int leg = leg_of(proof, key);
  g_assert_cmpint(leg, >=, 0);
  LwAddr own = lw_audit_zone(proof->world, (guint)leg)->link->address4.addr;
  LwFlowQuestion question = {.from = {LW_ZONE_INTERNET, exit}, .to = {LW_ZONE_ROUTER, 0}, .destination = own};
  g_assert_true(lw_addr_parse("198.18.5.5", &question.source) && lw_addr_parse("1.0.0.1", &question.source));
  ask_services(proof, leg, question);
  for (guint d = 0; d < proof->places->len; d++) {
    question.destination = g_array_index(proof->places, LwAddr, d);
    question.to = zone_of(proof, &question.destination);
    if (question.to.kind != LW_ZONE_ROUTER && question.to.kind != LW_ZONE_INTERNET)
      ask_services(proof, leg, question);
  }
}

static GHashTable *devices_of(const char *made) {
  GHashTable *out = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr(LwOpn) opn = lw_opn_parse(made, strlen(made), NULL);
  for (guint i = 0; i < opn->interfaces->len; i++) {
    const LwOpnInterface *each = opn->interfaces->pdata[i];
    g_hash_table_insert(out, g_strdup(each->key), g_strdup(each->device));
  }
  return out;
}

static void prove(const LwLab *lab, LwFacts *facts, const char *text) {
  g_autofree char *made = config_of(lab, facts);
  g_autoptr(GHashTable) devices = devices_of(made);
  g_autoptr(GError) error = NULL;
  g_autoptr(LwOpn) opn = lw_opn_parse(text, strlen(text), &error);
  g_assert_no_error(error);
  g_autoptr(LwOpnLinks) links = lw_opn_links_guess(opn);
  g_autoptr(LwPf) pf = lw_pf_generate(opn, links, NULL);
  g_autoptr(LwAuditWorld) world = lw_audit_world_new(pf, 4);
  Proof proof = {.lab = lab, .facts = facts, .world = world, .devices = devices};
  proof.places = g_array_new(FALSE, FALSE, sizeof(LwAddr));
  proof.services = g_array_new(FALSE, FALSE, sizeof(LwPorts));
  for (guint i = 0; i < pf->filter->len; i++) { /* every rule of ours is loaded */
    const LwPfRule *rule = pf->filter->pdata[i];
    if (!rule->rule->automatic && rule->disabled)
      g_error("“%s” is left out: %s", rule->descr, rule->why);
  }
  collect_places(&proof);
  collect_services(&proof);
  for (guint i = 0; i < lab->segments->len; i++)
    ask_segment(&proof, i);
  ask_host(&proof);
  ask_exit(&proof, LW_NONE);
  for (guint i = 0; i < lab->tunnels->len; i++)
    ask_exit(&proof, i);
  g_test_message("%u flows asked", proof.asked);
  g_array_unref(proof.places);
  g_array_unref(proof.services);
  g_assert_cmpuint(proof.asked, >, 1000);
  g_assert_cmpuint(proof.wrong, ==, 0);
}

static gboolean opens_home_lan(const LwLab *lab) {
  for (guint i = 0; i < lab->segments->len; i++) {
    const GPtrArray *allow = lw_lab_segment(lab, i)->allow;
    for (guint n = 0; n < allow->len; n++)
      if (((LwAllow *)allow->pdata[n])->target.kind == LW_TARGET_HOME_LAN)
        return TRUE;
  }
  return FALSE;
}

/* Nothing of what the audit finds in hand-made configurations is in ours; IPv6 is closed. */
static void audit(const LwLab *lab, const char *text) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwOpn) opn = lw_opn_parse(text, strlen(text), &error);
  g_assert_no_error(error);
  g_assert_false(opn->ipv6_allowed);
  g_autoptr(LwAudit) found = lw_audit_new(opn);
  for (guint i = 0; i < found->findings->len; i++) {
    const LwAuditFinding *finding = found->findings->pdata[i];
    static const char *const harmless[] = {"shadowed", "never-matches", NULL};
    if (g_str_equal(finding->kind, "private") && opens_home_lan(lab) &&
        g_str_has_suffix(finding->title, "through WAN: the network that WAN is in"))
      continue;
    if (finding->harm > LW_HARM_LOW || !g_strv_contains(harmless, finding->kind))
      g_error("%s: %s", finding->kind, finding->title);
  }
}

static void compare(const char *name, const char *text) {
  g_autofree char *path = g_strdup_printf("%s/tests/golden/opnsense/%s.xml", source_dir, name);
  g_autofree char *kept = NULL;
  g_autoptr(GError) error = NULL;
  if (g_getenv("LW_REGENERATE")) {
    g_assert_true(g_file_set_contents(path, text, -1, &error));
    return;
  }
  g_file_get_contents(path, &kept, NULL, &error);
  g_assert_no_error(error);
  if (!g_str_equal(kept, text))
    g_test_message("%s differs: LW_REGENERATE=1 meson test --suite golden, then git diff", path);
  g_assert_cmpstr(text, ==, kept);
}

static void test_lab(gconstpointer data) {
  const char *path = data;
  g_autoptr(LwLab) lab = load(path);
  g_autoptr(LwFacts) facts = facts_for(lab);
  g_autofree char *text = config_of(lab, facts), *again = config_of(lab, facts);
  g_autofree char *base = g_path_get_basename(path);
  g_autofree char *name = g_strndup(base, strlen(base) - strlen(".yaml"));
  g_assert_cmpstr(text, ==, again);
  prove(lab, facts, text);
  audit(lab, text);
  compare(name, text);
}

/* After a switch of the pool the same holds of the other exit, and only what names exits has changed. */
static void test_switched(void) {
  g_autoptr(LwLab) lab = load("examples/homelab.yaml");
  g_autoptr(LwFacts) facts = facts_for(lab);
  g_hash_table_insert(facts->active, g_strdup("lan30"), g_strdup("us"));
  g_autofree char *text = config_of(lab, facts);
  prove(lab, facts, text);
}

static char *read_file(const char *path) {
  g_autofree char *whole = g_build_filename(source_dir, path, NULL);
  char *text = NULL;
  g_assert_true(g_file_get_contents(whole, &text, NULL, NULL));
  return text;
}

static char *merge(const char *existing, const char *made, guint goes, guint stays) {
  LwOpnMergeNotes notes = {g_ptr_array_new_with_free_func(g_free), g_ptr_array_new_with_free_func(g_free)};
  g_autoptr(GError) error = NULL;
  char *text = lw_opn_merge(existing, made, &notes, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(notes.goes->len, ==, goes);
  g_assert_cmpuint(notes.stays->len, ==, stays);
  g_ptr_array_unref(notes.goes);
  g_ptr_array_unref(notes.stays);
  return text;
}

/* A router that was configured by hand for the same lab: its rules go, each is named, and what is left is
 * proved. What has nothing to do with the lab is there as it was. */
static void test_adopted(gconstpointer data) {
  g_autoptr(LwLab) lab = load("examples/homelab.yaml");
  g_autoptr(LwFacts) facts = facts_for(lab);
  g_autofree char *made = config_of(lab, facts), *sample = read_file(data);
  g_auto(GStrv) parts = g_strsplit(sample, "</opnsense>", 2);
  g_autofree char *existing =
      g_strdup_printf("%s<mine><keep uuid=\"0\">as &lt;it&gt; was</keep></mine></opnsense>", parts[0]);
  /* 24 rules, 4 of source NAT, a forward */
  g_autofree char *merged = merge(existing, made, 29, 0);
  prove(lab, facts, merged);
  audit(lab, merged);
  g_assert_nonnull(strstr(merged, "as &lt;it&gt; was"));
  g_assert_nonnull(strstr(merged, "testkey|$6$")); /* its own users and keys */
  g_assert_nonnull(strstr(merged, "<descr>LAN10</descr>"));
  g_assert_null(strstr(merged, "opt1000"));
  g_autofree char *again = merge(merged, made, 0, 0);
  g_autoptr(GPtrArray) by_hand = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) changes = lw_opn_changes(merged, again, by_hand, NULL);
  g_assert_cmpuint(changes->len, ==, 0);
  g_assert_cmpuint(by_hand->len, ==, 0);
}

/* ---- the virtual machine ---- */

static char *domain_of(const LwLab *lab, LwFacts *facts) {
  static const LwOpnVm vm = {"opnsense", 8192, 2, "/var/lib/libvirt/images/opnsense.qcow2",
                             "/var/lib/lanward/opnsense-config.iso"};
  g_autoptr(GError) error = NULL;
  char *text = lw_opn_domain_xml(lab, facts, &vm, &error);
  g_assert_no_error(error);
  return text;
}

/* The card that config.xml calls vtnetN is the N-th, and on the network of its segment. */
static void test_vm(void) {
  g_autoptr(LwLab) lab = load("examples/homelab.yaml");
  g_autoptr(LwFacts) facts = facts_for(lab);
  g_autofree char *text = domain_of(lab, facts), *again = domain_of(lab, facts);
  g_assert_cmpstr(text, ==, again);
  compare("homelab.domain", text);
  for (guint i = 0; i < lab->segments->len; i++) {
    const LwSegment *segment = lw_lab_segment(lab, i);
    g_autofree char *source = g_strdup_printf("<source network=\"%s\"/>", segment->network);
    g_autofree char *alias =
        g_strdup_printf("ua-vtnet%u\"", lw_facts_number(facts, "segment", segment->name) + 1);
    const char *at = strstr(text, source);
    g_assert_nonnull(at);
    g_assert_true(strstr(at, "ua-vtnet") == strstr(at, alias));
  }
}

/* A segment that is gone moves no card of another. */
static void test_vm_gap(void) {
  g_autoptr(LwLab) lab = load("examples/homelab.yaml");
  g_autoptr(LwFacts) all = facts_for(lab), kept = lw_facts_new();
  lw_facts_number(kept, "segment", "gone");
  g_assert_true(lw_policy_assign(lab, kept, NULL));
  g_autofree char *with_gap = domain_of(lab, kept);
  const char *last = strstr(with_gap, "<source network=\"switch-lan10\"/>");
  g_assert_nonnull(last);
  g_assert_true(g_str_has_prefix(strstr(last, "ua-vtnet"), "ua-vtnet3\""));
  g_assert_nonnull(strstr(with_gap, "<interface type=\"user\">"));
  g_assert_nonnull(strstr(with_gap, "<link state=\"down\"/>"));
}

/* The medium is what the importer looks for, and nobody else's to read. */
static void test_medium(void) {
  g_autofree char *dir = g_dir_make_tmp("lanward-XXXXXX", NULL);
  g_autofree char *config = g_build_filename(dir, "config.xml", NULL),
                  *iso = g_build_filename(dir, "c.iso", NULL);
  g_autofree char *program = g_find_program_in_path("xorriso");
  g_autoptr(GError) error = NULL;
  struct stat info;
  if (!program) {
    g_rmdir(dir);
    g_test_skip("xorriso is missing");
    return;
  }
  g_assert_true(g_file_set_contents(config, "<opnsense/>\n", -1, NULL));
  g_assert_true(lw_opn_medium_make(iso, config, &error));
  g_assert_no_error(error);
  g_assert_true(stat(iso, &info) == 0 && (info.st_mode & 0777) == 0600);
  const char *const argv[] = {"xorriso", "-indev", iso, "-find", "/", "-type", "f", NULL};
  g_autofree char *found = lw_command_run(&(LwCommand){.argv = argv}, &error);
  g_assert_no_error(error);
  g_assert_nonnull(strstr(found, "/conf/config.xml"));
  g_remove(iso);
  g_assert_false(lw_opn_medium_make(iso, "/nonexistent/config.xml", NULL));
  g_assert_false(g_file_test(iso, G_FILE_TEST_EXISTS));
  g_remove(config);
  g_rmdir(dir);
}

/* A hole in the rules is seen: the proof can fail. */
static void test_can_fail(void) {
  g_autoptr(LwLab) lab = load("examples/homelab.yaml");
  g_autoptr(LwFacts) facts = facts_for(lab);
  g_autofree char *text = config_of(lab, facts);
  g_auto(GStrv) parts = g_strsplit(text, "<destination_net>lanward_special</destination_net>", 2);
  g_assert_cmpuint(g_strv_length(parts), ==, 2);
  g_autofree char *holed = g_strjoinv("<destination_net>192.0.2.77</destination_net>", parts);
  if (g_test_subprocess()) {
    prove(lab, facts, holed);
    return;
  }
  g_test_trap_subprocess(NULL, 0, 0);
  g_test_trap_assert_failed();
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  source_dir = g_getenv("LW_SOURCE_DIR");
  g_assert_nonnull(source_dir);
  g_test_add_data_func("/golden/opnsense/homelab", "examples/homelab.yaml", test_lab);
  g_test_add_data_func("/golden/opnsense/everything", "tests/golden/everything.yaml", test_lab);
  g_test_add_data_func("/golden/opnsense/twelve", "tests/golden/opnsense/twelve.yaml", test_lab);
  g_test_add_data_func("/golden/opnsense/exits", "tests/golden/opnsense/exits.yaml", test_lab);
  g_test_add_data_func("/golden/opnsense/multihomed", "tests/golden/opnsense/multihomed.yaml", test_lab);
  g_test_add_data_func("/golden/opnsense/adopted/mvc", "tests/fixtures/opnsense/guide-mvc.xml", test_adopted);
  g_test_add_data_func("/golden/opnsense/adopted/legacy", "tests/fixtures/opnsense/guide-legacy.xml",
                       test_adopted);
  g_test_add_func("/golden/opnsense/vm", test_vm);
  g_test_add_func("/golden/opnsense/vm-gap", test_vm_gap);
  g_test_add_func("/golden/opnsense/medium", test_medium);
  g_test_add_func("/golden/opnsense/switched", test_switched);
  g_test_add_func("/golden/opnsense/can-fail", test_can_fail);
  return g_test_run();
}
