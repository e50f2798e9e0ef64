/* Rules that do nothing: that no packet meets, or that others decide before. */
#include "audit/findings.h"

#include <string.h>

/* What was seen of one configured rule, over all the pf rules made of it. */
typedef struct {
  const LwOpnRule *rule;
  gboolean decided, matched, loaded;
  const char *why;         /* not loaded: why; nullable */
  GPtrArray *instead;      /* of char*: what decided packets that it matches */
  gboolean opposite, same; /* some do the opposite; some do as it says */
  const LwAuditSpace *space;
  LwAuditPacket packet; /* one that it matches and another decides */
  LwAuditDecision decision;
} Seen;

static void free_seen(gpointer data) {
  Seen *seen = data;
  g_ptr_array_unref(seen->instead);
  g_free(seen);
}

static gboolean passes(const LwOpnRule *rule) {
  return g_str_equal(rule->action, "pass");
}

static void add_seen(GHashTable *all, GPtrArray *order, const LwPfRule *pf) {
  Seen *seen = g_hash_table_lookup(all, pf->rule);
  if (!seen) {
    seen = g_new0(Seen, 1);
    seen->rule = pf->rule;
    seen->instead = g_ptr_array_new_with_free_func(g_free);
    g_hash_table_insert(all, (gpointer)pf->rule, seen);
    g_ptr_array_add(order, seen);
  }
  seen->loaded |= !pf->disabled;
  if (pf->disabled && pf->why)
    seen->why = pf->why;
  /* what only concerns packets that leave is not looked at here */
  seen->decided |= !pf->disabled && !pf->in;
}

/* The configured rules that packets of a space are asked about, with what was seen of them. */
typedef struct {
  const LwAuditRule *rule;
  Seen *seen;
} Candidate;

static GArray *candidates_of(GHashTable *all, const LwAuditSpace *space) {
  GArray *out = g_array_new(FALSE, FALSE, sizeof(Candidate));
  for (guint i = 0; i < space->world->filter->len; i++) {
    const LwAuditRule *rule = space->world->filter->pdata[i];
    Candidate each = {rule, rule->rule->rule->automatic ? NULL : g_hash_table_lookup(all, rule->rule->rule)};
    if (each.seen && rule->rule->in && rule->on[space->zone])
      g_array_append_val(out, each);
  }
  return out;
}

static void mark_beaten(Seen *seen, const LwAuditSpace *space, const LwAuditPair *pair, guint service) {
  const LwAuditDecision *decision = &pair->decisions[service];
  const LwOpnRule *winner = decision->in->rule->rule;
  gboolean opposite = passes(winner) != passes(seen->rule);
  if (!seen->matched || (opposite && !seen->opposite)) {
    seen->space = space;
    seen->packet = lw_audit_example(space, pair, service);
    seen->decision = *decision;
  }
  seen->matched = TRUE;
  seen->opposite |= opposite;
  seen->same |= !opposite;
  g_autofree char *name = lw_opn_rule_name(winner);
  lw_audit_name_once(seen->instead, name);
}

static void mark_winners(GHashTable *all, const LwAuditDecision *decision) {
  const LwAuditRule *deciders[] = {decision->in, decision->out};
  for (guint i = 0; i < G_N_ELEMENTS(deciders); i++) {
    gboolean known = !deciders[i] || deciders[i]->rule->rule->automatic;
    Seen *seen = known ? NULL : g_hash_table_lookup(all, deciders[i]->rule->rule);
    if (seen)
      seen->decided = seen->matched = TRUE;
  }
}

typedef struct {
  const LwAudit *audit;
  GHashTable *all; /* LwOpnRule* to Seen* */
  guint world;
  const LwAuditSpace *space;
  const GArray *candidates;
} Look;

typedef void (*Mark)(const Look *look, const LwAuditPair *pair, guint service);

/* A rule that blocks what a gateway's rule lets through decides when that gateway is gone: it is there for
 * that. */
static void mark_deciding(const Look *look, const LwAuditPair *pair, guint service) {
  const LwAuditDecision *decision = &pair->decisions[service];
  mark_winners(look->all, decision);
  for (guint i = 0; decision->in && decision->in->rule->gateway && i < look->audit->gone->len; i++) {
    const LwAuditGone *gone = look->audit->gone->pdata[i];
    if (gone->gateway != decision->in->rule->gateway)
      continue;
    LwAuditPacket packet = lw_audit_example(look->space, pair, service);
    LwAuditDecision then;
    lw_audit_decide(gone->worlds->pdata[look->world], look->space->zone, &packet, &then);
    mark_winners(look->all, &then);
  }
}

/* Once it is known which rules decide something: only of the others is it asked what decides for them. */
static void mark_matching(const Look *look, const LwAuditPair *pair, guint service) {
  const LwAuditDecision *decision = &pair->decisions[service];
  if (!decision->in)
    return;
  for (guint i = 0; i < look->candidates->len; i++) {
    const Candidate *each = &g_array_index(look->candidates, Candidate, i);
    if (!each->seen->decided && lw_audit_rule_matches(each->rule, &decision->packet))
      mark_beaten(each->seen, look->space, pair, service);
  }
}

static void look_through(const LwAudit *audit, GHashTable *all, guint world, guint zone, Mark mark) {
  const LwAuditSpace *space = lw_audit_space(audit, world, zone);
  g_autoptr(GHashTable) done = g_hash_table_new(NULL, NULL); /* outcomes that pairs share */
  g_autoptr(GArray) candidates = candidates_of(all, space);
  Look look = {audit, all, world, space, candidates};
  for (guint p = 0; p < space->pairs->len; p++) {
    const LwAuditPair *pair = &g_array_index(space->pairs, LwAuditPair, p);
    if (!g_hash_table_add(done, (gpointer)pair->decisions))
      continue;
    for (guint n = 0; n < space->order->len; n++) {
      guint i = g_array_index(space->order, guint, n);
      if (lw_audit_service(space, i)->group == i || pair->decisions[i].rdr)
        mark(&look, pair, i);
    }
  }
}

/* ---- why no packet meets it ---- */

static gboolean meets(const LwAuditSpace *space, const LwAuditRule *rule, gboolean source) {
  const GPtrArray *sides = source ? space->sources : space->destinations;
  for (guint i = 0; i < sides->len; i++) {
    const LwAuditSide *side = sides->pdata[i];
    if (lw_ip_set_contains(source ? rule->source : rule->destination, side->example))
      return TRUE;
  }
  return FALSE;
}

static char *reason(const LwAudit *audit, const Seen *seen) {
  gboolean source = FALSE, destination = FALSE, on = FALSE, family = FALSE;
  for (guint w = 0; w < audit->worlds->len; w++) {
    const LwAuditWorld *world = lw_audit_world(audit, w);
    for (guint i = 0; i < world->filter->len; i++) {
      const LwAuditRule *rule = world->filter->pdata[i];
      if (rule->rule->rule != seen->rule)
        continue;
      family = TRUE;
      for (guint zone = 0; zone < world->zones->len; zone++) {
        if (!rule->on[zone])
          continue;
        on = TRUE;
        source |= meets(lw_audit_space(audit, w, zone), rule, TRUE);
        destination |= meets(lw_audit_space(audit, w, zone), rule, FALSE);
      }
    }
  }
  if (!family)
    return g_strdup("it is for IPv6, which is switched off");
  if (!on)
    return g_strdup("none of the interfaces it is for is there");
  if (!source)
    return g_strdup("nobody on its interface has an address that it asks for as the source");
  if (!destination)
    return g_strdup(
        "its destination is on its own interface: packets between machines of one network do not pass the "
        "router");
  return g_strdup("no packet meets all of its conditions");
}

static const char *interface_name(const LwAudit *audit, const LwOpnRule *rule) {
  const LwOpnInterface *interface = lw_opn_interface(audit->opn, rule->interface);
  return interface ? interface->descr : rule->interface ? rule->interface : "floating";
}

static void report_never(LwAudit *audit, const Seen *seen) {
  g_autofree char *name = lw_opn_rule_name(seen->rule);
  LwAuditFinding *finding = lw_audit_add(
      audit, LW_HARM_LOW, "never-matches",
      g_strdup_printf("the rule “%s” (%s) never matches", name, interface_name(audit, seen->rule)),
      seen->loaded
          ? reason(audit, seen)
          : g_strdup_printf("OPNsense leaves it out: %s", seen->why ? seen->why : "it cannot be written"),
      g_strdup("take it out, or correct it: as it is, it does nothing"));
  lw_audit_add_rule(finding, name);
}

static void report_shadowed(LwAudit *audit, const Seen *seen) {
  g_autofree char *name = lw_opn_rule_name(seen->rule);
  g_autoptr(GPtrArray) quoted = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < seen->instead->len && i < 4; i++)
    g_ptr_array_add(quoted, g_strdup_printf("“%s”", (char *)seen->instead->pdata[i]));
  g_autofree char *instead = lw_audit_list(quoted);
  /* behind an exception and a wider rule of its own kind it only says again what holds */
  gboolean beaten = seen->opposite && !seen->same, open = beaten && !passes(seen->rule);
  LwAuditFinding *finding = lw_audit_add(
      audit, open ? LW_HARM_MEDIUM : LW_HARM_LOW, "shadowed",
      g_strdup_printf("the rule “%s” (%s) is shadowed%s", name, interface_name(audit, seen->rule),
                      open ? ": what it should block is let through" : ""),
      g_strdup_printf("every packet that it matches is decided by %s", instead),
      g_strdup(beaten ? "move it before them, or take it out" : "take it out: it changes nothing"));
  lw_audit_add_packet(finding, seen->space, &seen->packet, &seen->decision);
  lw_audit_add_rule(finding, name);
}

void lw_audit_find_idle(LwAudit *audit) {
  g_autoptr(GHashTable) all = g_hash_table_new_full(NULL, NULL, NULL, free_seen);
  g_autoptr(GPtrArray) order = g_ptr_array_new();
  for (guint i = 0; i < audit->pf->filter->len; i++) {
    const LwPfRule *pf = audit->pf->filter->pdata[i];
    if (!pf->rule->automatic && !pf->rule->disabled)
      add_seen(all, order, pf);
  }
  Mark marks[] = {mark_deciding, mark_matching};
  for (guint m = 0; m < G_N_ELEMENTS(marks); m++)
    for (guint w = 0; w < audit->worlds->len; w++)
      for (guint i = 0; i < lw_audit_world(audit, w)->zones->len; i++)
        look_through(audit, all, w, i, marks[m]);
  for (guint i = 0; i < order->len; i++) {
    const Seen *seen = order->pdata[i];
    if (seen->decided)
      continue;
    if (seen->matched)
      report_shadowed(audit, seen);
    else
      report_never(audit, seen);
  }
}
