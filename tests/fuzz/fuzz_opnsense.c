/* Any text is either refused with a word why, or read, turned into rules and audited; each class of the audit
 * is decided as its example is; reach follows all that comes in; and it is imported. */
#include "audit/audit.h"
#include "import/import.h"
#include "providers/opnsense/pf-rules.h"
#include "reach/reach.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_space(const LwAuditSpace *space) {
  for (guint p = 0; p < space->pairs->len; p++) {
    const LwAuditPair *pair = &g_array_index(space->pairs, LwAuditPair, p);
    for (guint i = 0; i < space->services->len; i += 7) {
      LwAuditPacket packet = lw_audit_example(space, pair, i);
      LwAuditDecision decision;
      lw_audit_decide(space->world, space->zone, &packet, &decision);
      if (decision.pass != pair->decisions[i].pass || decision.in != pair->decisions[i].in)
        g_error("a class that is not what its example is");
    }
  }
}

static void check_audit(const LwOpn *opn) {
  g_autoptr(LwAudit) audit = lw_audit_new(opn);
  for (guint w = 0; w < audit->spaces->len; w++) {
    const GPtrArray *spaces = audit->spaces->pdata[w];
    for (guint i = 0; i < spaces->len; i++)
      check_space(spaces->pdata[i]);
  }
  g_autofree char *text = lw_audit_format(audit, "fuzz", FALSE), *svg = lw_audit_svg(audit, "fuzz");
  if (!g_utf8_validate(text, -1, NULL) || !g_utf8_validate(svg, -1, NULL))
    g_error("not UTF-8");
  json_object_unref(lw_audit_to_json(audit, "fuzz"));
}

/* All that comes in by each interface is followed. */
static void follow(const LwPf *pf) {
  static const char *const inside[] = {"router", NULL};
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  g_autoptr(LwResourceSet) world = lw_resource_set_new();
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  lw_pf_world(pf, "router", names, world);
  g_autoptr(LwReach) reach = lw_reach_new(pool, world, inside);
  for (guint i = 0; i < pf->links->links->len && i < 4; i++) {
    LwStart start = {LW_START_FRAME, "router",
                     g_array_index(pf->links->links, LwOpnLink, i).interface->device};
    g_autoptr(GPtrArray) may = lw_reach_from(reach, &start, LW_MDD_TRUE, LW_CT_NEW, LW_REACH_MAY);
    g_autoptr(GPtrArray) must = lw_reach_from(reach, &start, LW_MDD_TRUE, LW_CT_NEW, LW_REACH_MUST);
  }
}

static void import(const uint8_t *data, size_t size) {
  g_autofree char *text = g_strndup((const char *)data, size);
  g_autoptr(GError) error = NULL;
  g_autoptr(LwImport) import = lw_opnsense_import(text, &error);
  if (!import == !error)
    g_error("neither imported nor refused, or both");
  if (import && !g_utf8_validate(import->yaml, -1, NULL))
    g_error("not UTF-8");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwOpn) opn = lw_opn_parse((const char *)data, size, &error);
  if (!opn == !error)
    g_error("neither read nor refused, or both");
  if (!opn)
    return 0;
  g_autoptr(LwOpnLinks) links = lw_opn_links_guess(opn);
  g_autoptr(LwPf) pf = lw_pf_generate(opn, links, NULL);
  g_autofree char *text = lw_pf_text(pf);
  if (!g_utf8_validate(text, -1, NULL))
    g_error("not UTF-8");
  if (opn->interfaces->len > 16 || pf->filter->len > 2000)
    return 0;
  check_audit(opn);
  if (pf->filter->len <= 300)
    follow(pf);
  if (!memchr(data, 0, size))
    import(data, size);
  return 0;
}
