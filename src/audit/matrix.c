/* Who reaches whom. */
#include "audit/findings.h"

#include <string.h>

static void add_column(LwAuditMatrix *matrix, const char *name, LwPlaceKind kind, int zone) {
  LwAuditColumn *made = g_new0(LwAuditColumn, 1);
  *made = (LwAuditColumn){g_strdup(name), kind, zone};
  g_ptr_array_add(matrix->columns, made);
}

static void free_column(gpointer data) {
  LwAuditColumn *column = data;
  g_free(column->name);
  g_free(column);
}

static void free_flow(gpointer data) {
  LwAuditFlow *flow = data;
  g_free(flow->rule);
  g_free(flow->services);
  g_free(flow->to);
  g_free(flow->way);
  g_free(flow);
}

/* A packet that a forward leads on belongs to the network that it arrives in. */
static gboolean led_to(const LwAuditColumn *column, const LwAuditDecision *decision) {
  return decision->rdr && decision->where == LW_TO_NETWORK && column->kind == LW_PLACE_INSIDE &&
         decision->zone == (guint)column->zone;
}

static gboolean belongs(const LwAuditColumn *column, const LwAuditTarget *target) {
  if (column->kind == LW_PLACE_PRIVATE)
    return target->kind == LW_PLACE_PRIVATE || target->kind == LW_PLACE_OUTSIDE;
  return target->kind == column->kind && (column->kind != LW_PLACE_INSIDE || target->zone == column->zone);
}

/* One rule's part of a cell, being put together. */
typedef struct {
  const LwAuditRule *rdr; /* nullable */
  const LwOpnRule *rule;  /* NULL: a forward that passes by itself, or none */
  char *way;
  guint zone; /* with a way */
  const LwPfGateway *gateway;
  LwIpSet *to;
  const LwAuditPair *last; /* the last whose destination went into to */
  gboolean *services;
  char *name;
} Part;

static void free_part(gpointer data) {
  Part *part = data;
  g_free(part->way);
  g_free(part->name);
  g_free(part->services);
  lw_ip_set_free(part->to);
  g_free(part);
}

static char *part_name(const LwAuditDecision *decision) {
  g_autofree char *decider = lw_audit_decider(decision);
  if (!decision->rdr || decision->rdr->rule->pass)
    return g_steal_pointer(&decider);
  return g_strdup_printf("%s”, forwarded by “%s", decider, decision->rdr->rule->descr);
}

static Part *part_of(GPtrArray *parts, const LwAuditSpace *space, const LwAuditDecision *decision) {
  const LwOpnRule *rule = decision->in ? decision->in->rule->rule : NULL;
  gboolean leaves = decision->where == LW_TO_EXIT;
  for (guint i = 0; i < parts->len; i++) {
    Part *each = parts->pdata[i];
    if (each->rule == rule && each->rdr == decision->rdr && (each->way != NULL) == leaves &&
        (!leaves || (each->zone == decision->zone && each->gateway == decision->gateway)))
      return each;
  }
  Part *made = g_new0(Part, 1);
  made->rule = rule;
  made->rdr = decision->rdr;
  made->way = leaves ? lw_audit_way(space->world, decision) : NULL;
  made->zone = decision->zone;
  made->gateway = decision->gateway;
  made->to = lw_ip_set_new(space->world->family);
  made->services = g_new0(gboolean, space->services->len);
  made->name = part_name(decision);
  g_ptr_array_add(parts, made);
  return made;
}

static void add_pair(const LwAuditSpace *space, const LwAuditPair *pair, const LwAuditColumn *column,
                     gboolean here, GPtrArray *parts, LwAuditCell *cell, guint *open, guint *asked) {
  gboolean router = column->kind == LW_PLACE_SELF;
  for (guint i = 0; i < space->services->len; i++) {
    const LwAuditDecision *decision = &pair->decisions[i];
    gboolean ordinary = lw_audit_service(space, i)->ordinary;
    /* the router's column is what reaches the router: by a rule's gateway a packet to it leaves */
    gboolean open_here = decision->pass && (!router || decision->where == LW_TO_SELF);
    if (!(decision->rdr ? led_to(column, decision) : here))
      continue;
    *asked += ordinary && here;
    *open += ordinary && here && open_here;
    /* DHCP and the like, which no client's port reaches, would be in every cell */
    if (!open_here || (!ordinary && decision->in && decision->in->rule->rule->automatic))
      continue;
    Part *part = part_of(parts, space, decision);
    part->services[i] = TRUE;
    if (part->last != pair) /* once for all the services of a pair */
      lw_ip_set_add_set(part->to, lw_audit_destination(space, pair)->set);
    part->last = pair;
    if (decision->where == LW_TO_EXIT)
      lw_audit_name_once(cell->exits, lw_audit_zone(space->world, decision->zone)->name);
  }
}

static LwAuditCell *make_cell(const LwAudit *audit, guint w, const LwAuditSpace *space,
                              const LwAuditColumn *column) {
  LwAuditCell *cell = g_new0(LwAuditCell, 1);
  g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func(free_part);
  guint open = 0, asked = 0;
  cell->flows = g_ptr_array_new_with_free_func(free_flow);
  cell->exits = g_ptr_array_new_with_free_func(g_free);
  for (guint p = 0; p < space->pairs->len; p++) {
    const LwAuditPair *pair = &g_array_index(space->pairs, LwAuditPair, p);
    gboolean here = belongs(column, lw_audit_pair_target(audit, w, space, pair));
    add_pair(space, pair, column, here, parts, cell, &open, &asked);
  }
  cell->open = parts->len == 0 ? LW_OPEN_NONE : open == asked ? LW_OPEN_ALL : LW_OPEN_SOME;
  for (guint i = 0; i < parts->len; i++) {
    Part *part = parts->pdata[i];
    LwAuditFlow *flow = g_new0(LwAuditFlow, 1);
    flow->rule = g_steal_pointer(&part->name);
    flow->services = lw_audit_services(space, part->services);
    flow->to = lw_audit_places(audit, w, part->to);
    flow->way = g_steal_pointer(&part->way);
    g_ptr_array_add(cell->flows, flow);
  }
  return cell;
}

static LwAuditMatrix *make_matrix(const LwAudit *audit, guint w) {
  const LwAuditWorld *world = lw_audit_world(audit, w);
  LwAuditMatrix *matrix = g_new0(LwAuditMatrix, 1);
  matrix->family = world->family;
  matrix->columns = g_ptr_array_new_with_free_func(free_column);
  matrix->rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
  add_column(matrix, "router", LW_PLACE_SELF, -1);
  for (guint i = 0; i < world->zones->len; i++)
    if (lw_audit_zone(world, i)->role == LW_ROLE_INSIDE &&
        !lw_ip_set_is_empty(lw_audit_zone(world, i)->network))
      add_column(matrix, lw_audit_zone(world, i)->name, LW_PLACE_INSIDE, (int)i);
  add_column(matrix, "internet", LW_PLACE_INTERNET, -1);
  add_column(matrix, "private", LW_PLACE_PRIVATE, -1);
  for (guint i = 0; i < world->zones->len; i++) {
    GPtrArray *row = g_ptr_array_new();
    for (guint c = 0; c < matrix->columns->len; c++) {
      const LwAuditColumn *column = matrix->columns->pdata[c];
      gboolean own = column->kind == LW_PLACE_INSIDE && column->zone == (int)i;
      g_ptr_array_add(row, own ? NULL : make_cell(audit, w, lw_audit_space(audit, w, i), column));
    }
    g_ptr_array_add(matrix->rows, row);
  }
  return matrix;
}

void lw_audit_make_matrices(LwAudit *audit) {
  for (guint w = 0; w < audit->worlds->len; w++)
    g_ptr_array_add(audit->matrices, make_matrix(audit, w));
}
