#include "cmd/proposal.h"

#include "cmd/generations.h"
#include "cmd/labfile.h"
#include "policy/asserts.h"

#include <string.h>

/* --- the file
 * -----------------------------------------------------------------------------------------------------------
 */

/* The lab of the user's file, changed: NULL says that it makes none, or another one than that in force. */
static LwLab *load(const LwProposals *p, const char *changed, const char *text) {
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  LwSpecFlags flags = lw_target_spec_flags();
  if (!p->path)
    return NULL;
  g_autoptr(LwLab) lab = text ? lw_spec_load_changed(p->path, changed, text, flags, secrets, diagnostics)
                              : lw_spec_load(p->path, flags, secrets, diagnostics);
  const GPtrArray *segments = p->session->lab->segments;
  gboolean same = lab && lab->segments->len == segments->len;
  for (guint i = 0; same && i < segments->len; i++)
    same = g_str_equal(lw_lab_segment(lab, i)->name, lw_lab_segment(p->session->lab, i)->name);
  return same ? g_steal_pointer(&lab) : NULL;
}

static char *path_in_force(LwSession *session) {
  guint number = lw_generation_current(session->engine, NULL);
  g_autoptr(LwGeneration) generation = number ? lw_generation_read(session->engine, number, NULL) : NULL;
  return generation ? g_strdup(generation->path) : NULL;
}

void lw_proposals_init(LwProposals *p, LwSession *session, const LwFlowQuestion *question, gboolean pass) {
  *p = (LwProposals){.session = session, .question = question, .pass = pass, .out = g_string_new(NULL)};
  p->path = path_in_force(session);
  p->before = load(p, NULL, NULL);
}

void lw_proposals_clear(LwProposals *p) {
  g_clear_pointer(&p->before, lw_lab_free);
  g_clear_pointer(&p->path, g_free);
  if (p->out)
    g_string_free(g_steal_pointer(&p->out), TRUE);
}

static gboolean passes_in(const LwProposals *p, const LwLab *lab) {
  LwFlowAnswer answer;
  lw_intent_answer(lab, p->session->facts, p->question, &answer);
  gboolean allow = answer.allow;
  lw_flow_answer_clear(&answer);
  return allow;
}

gboolean lw_proposals_is_done(const LwProposals *p) {
  return p->before && passes_in(p, p->before) == p->pass;
}

LwEdits *lw_proposals_edits(const LwProposals *p, const LwSegment *owner) {
  g_autofree char *text = p->before && owner->origin.file ? lw_labfile_read(owner->origin.file, NULL) : NULL;
  return text ? lw_edits_new(text, owner->origin.file, NULL) : NULL;
}

char *lw_proposals_path(const char *path) {
  g_autofree char *here = g_get_current_dir(), *folder = g_strconcat(here, "/", NULL);
  return g_strdup(g_str_has_prefix(path, folder) ? path + strlen(folder) : path);
}

/* --- asserts
 * -----------------------------------------------------------------------------------------------------------
 */

static gboolean is_known(const GPtrArray *had, const LwBrokenAssert *broken) {
  for (guint i = 0; i < had->len; i++)
    if (g_str_equal(((const LwBrokenAssert *)had->pdata[i])->assert->text, broken->assert->text))
      return TRUE;
  return FALSE;
}

/* Those that hold in the file as it is and not in that lab. Transfer full. */
static GPtrArray *newly_broken(const LwProposals *p, const LwLab *lab) {
  g_autoptr(GPtrArray) had = lw_policy_broken_asserts(p->before, p->session->facts);
  GPtrArray *has = lw_policy_broken_asserts(lab, p->session->facts);
  for (guint i = has->len; i-- > 0;)
    if (is_known(had, has->pdata[i]))
      g_ptr_array_remove_index(has, i);
  return has;
}

static LwLab *load_edited(const LwProposals *p, const LwSegment *owner, const LwEdits *edits) {
  g_autofree char *text = lw_edits_text(edits, NULL);
  return text ? load(p, owner->origin.file, text) : NULL;
}

GPtrArray *lw_proposals_broken(const LwProposals *p, const LwSegment *owner, const LwEdits *edits) {
  g_autoptr(LwLab) lab = load_edited(p, owner, edits);
  GPtrArray *broken = lab ? newly_broken(p, lab) : NULL;
  for (guint i = 0; broken && i < broken->len; i++) { /* that lab goes: they are those of the file as it is */
    LwBrokenAssert *it = broken->pdata[i];
    for (guint k = 0; k < p->before->asserts->len; k++)
      if (g_str_equal(((const LwAssert *)p->before->asserts->pdata[k])->text, it->assert->text))
        it->assert = p->before->asserts->pdata[k];
  }
  return broken;
}

static void put_ports(GString *out, LwProto proto, guint first, guint last) {
  if (first > last)
    return;
  LwPorts ports = {proto, (guint16)first, (guint16)last};
  g_autofree char *text = lw_ports_format(&ports);
  g_string_append_printf(out, "%s%s", out->len ? ", " : "", text);
}

/* Ports without the one that the flow is about, as the file writes them. */
static void put_ports_without(GString *out, const LwPorts *ports, const LwFlowQuestion *q) {
  if (ports->proto != q->proto || q->port < ports->first_port || q->port > ports->last_port) {
    put_ports(out, ports->proto, ports->first_port, ports->last_port);
  } else if (q->proto != LW_PROTO_ICMP) {
    put_ports(out, q->proto, MAX(ports->first_port, 1u), (guint)q->port - 1);
    put_ports(out, q->proto, (guint)q->port + 1, ports->last_port);
  }
}

/* The assert of all that it is about but this one port; NULL: nothing is left, or it cannot be said. */
static char *narrowed(const LwProposals *p, const LwAssert *assertion) {
  static const LwPorts all[] = {
      {LW_PROTO_ICMP, 0, G_MAXUINT16}, {LW_PROTO_TCP, 0, G_MAXUINT16}, {LW_PROTO_UDP, 0, G_MAXUINT16}};
  g_autoptr(GString) ports = g_string_new(NULL);
  if (assertion->to.kind == LW_TARGET_HOST_SERVICE || assertion->to.kind == LW_TARGET_ROUTER_NTP)
    return NULL;
  for (guint i = 0; i < assertion->ports->len; i++)
    put_ports_without(ports, &g_array_index(assertion->ports, LwPorts, i), p->question);
  for (guint i = 0; assertion->ports->len == 0 && i < G_N_ELEMENTS(all); i++)
    put_ports_without(ports, &all[i], p->question);
  g_autofree char *from = lw_target_format(p->before, &assertion->from);
  g_autofree char *to = lw_target_format(p->before, &assertion->to);
  return ports->len
             ? g_strdup_printf("%s %s -> %s %s", assertion->allow ? "allow" : "deny", from, to, ports->str)
             : NULL;
}

static void put_settled(GString *remarks, const LwProposals *p, const LwAssert *assertion,
                        gboolean narrowed) {
  LwPorts asked = {p->question->proto, p->question->port, p->question->port};
  g_autofree char *port = lw_ports_format(&asked);
  g_string_append_printf(remarks, "Line %u asserts that it %s, and would refuse the change",
                         assertion->origin.line, assertion->allow ? "passes" : "does not pass");
  if (narrowed)
    g_string_append_printf(remarks, ": it is narrowed to all but %s, for everybody whom it is about.\n",
                           port);
  else
    g_string_append(remarks, ": it is deleted.\n");
}

/* Takes out what would refuse the change, or, where that is enough, only what it says of this port. */
static LwLab *settle_asserts(const LwProposals *p, const LwSegment *owner, LwEdits *edits,
                             const GPtrArray *broken, gboolean narrow, GString *remarks) {
  for (guint i = 0; i < broken->len; i++) {
    const LwAssert *assertion = ((const LwBrokenAssert *)broken->pdata[i])->assert;
    g_autofree char *less = narrow ? narrowed(p, assertion) : NULL;
    gboolean here = g_strcmp0(assertion->origin.file, owner->origin.file) == 0;
    gboolean made = here && (less ? lw_edits_replace_item(edits, &assertion->origin, NULL, less, NULL)
                                  : lw_edits_drop_item(edits, &assertion->origin, NULL));
    if (made)
      put_settled(remarks, p, assertion, less != NULL);
    else
      g_string_append_printf(remarks, "Take “%s” (%s:%u) out too: it would refuse the change.\n",
                             assertion->text, assertion->origin.file, assertion->origin.line);
  }
  return load_edited(p, owner, edits);
}

static LwLab *settle(const LwProposals *p, const LwSegment *owner, LwEdits *edits, GString *remarks) {
  g_autoptr(LwLab) lab = load_edited(p, owner, edits);
  g_autoptr(GPtrArray) broken = lab ? lw_proposals_broken(p, owner, edits) : NULL;
  if (!broken || broken->len == 0)
    return g_steal_pointer(&lab);
  guint mark = lw_edits_mark(edits);
  for (guint narrow = 1;; narrow--) {
    g_autoptr(GString) said = g_string_new(NULL);
    g_autoptr(LwLab) settled = settle_asserts(p, owner, edits, broken, narrow, said);
    g_autoptr(GPtrArray) left = settled ? newly_broken(p, settled) : NULL;
    if (narrow && (!left || left->len)) {
      lw_edits_back_to(edits, mark);
      continue;
    }
    g_string_append(remarks, said->str);
    return g_steal_pointer(&settled);
  }
}

/* --- diff lines
 * -----------------------------------------------------------------------------------------------------------
 */

#define WINDOW 400 /* lines that a change takes or brings at most */

typedef struct {
  char **lines;
  guint count, at;
} Side;

static gboolean same_line(const Side *a, guint i, const Side *b, guint j) {
  if (i >= a->count || j >= b->count)
    return i == a->count && j == b->count;
  return g_str_equal(a->lines[i], b->lines[j]);
}

/* How many lines of each are not the other's, from where they differ; FALSE: too many. */
static gboolean find_hunk(const Side *old, const Side *new, guint *gone, guint *come) {
  for (guint sum = 1; sum < WINDOW; sum++)
    for (guint i = 0; i <= sum; i++) {
      *gone = i;
      *come = sum - i;
      guint o = old->at + *gone, n = new->at + *come;
      if (o <= old->count && n <= new->count &&same_line(old, o, new, n) &&
          (o == old->count || strlen(old->lines[o]) > 10 || same_line(old, o + 1, new, n + 1)))
        return TRUE;
    }
  return FALSE;
}

/* The lines in which two texts differ, as diff shows them. */
static void put_difference(GString *out, const LwSegment *owner, const char *before, const char *after) {
  g_auto(GStrv) was = g_strsplit(before, "\n", -1), is = g_strsplit(after, "\n", -1);
  Side old = {was, g_strv_length(was), 0}, new = {is, g_strv_length(is), 0};
  while (old.at < old.count || new.at < new.count) {
    guint gone = 0, come = 0;
    if (!same_line(&old, old.at, &new, new.at) && !find_hunk(&old, &new, &gone, &come))
      return;
    for (guint i = 0; i < gone; i++)
      g_string_append_printf(out, "  %4u - %s\n", old.at + i + 1, old.lines[old.at + i]);
    for (guint i = 0; i < come; i++)
      g_string_append_printf(out, "  %4u + %s\n", new.at + i + 1, new.lines[new.at + i]);
    if (!gone && come)
      g_string_append_printf(out, "         (new line, inside %s)\n", owner->name);
    old.at += gone + 1;
    new.at += come + 1;
  }
}

/* --- all of it
 * -----------------------------------------------------------------------------------------------------------
 */

/* What was not said before. */
static void put_news(GString *out, const char *remarks) {
  g_auto(GStrv) lines = g_strsplit(remarks, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    g_autofree char *line = g_strconcat(lines[i], "\n", NULL);
    if (*lines[i] && !strstr(out->str, line))
      g_string_append(out, line);
  }
}

gboolean lw_proposals_show(LwProposals *p, const LwSegment *owner, LwEdits *edits, const char *scope,
                           const char *remarks) {
  g_autoptr(GString) said = g_string_new(remarks);
  g_autoptr(LwLab) after = settle(p, owner, edits, said);
  if (after)
    p->tried++;
  if (!after || passes_in(p, after) != p->pass)
    return FALSE;
  g_autofree char *changed = lw_edits_text(edits, NULL), *text = lw_labfile_read(owner->origin.file, NULL);
  g_autofree char *path = lw_proposals_path(owner->origin.file);
  if (!text)
    return FALSE;
  if (p->shown++)
    g_string_append_printf(p->out, "\nOr %s:\n", scope);
  else
    g_string_append_printf(p->out, "To %s it %s, change %s like this:\n", p->pass ? "open" : "close", scope,
                           path);
  put_difference(p->out, owner, text, changed);
  put_news(p->out, said->str);
  return TRUE;
}

void lw_proposals_end(LwProposals *p) {
  g_autofree char *path = p->path ? lw_proposals_path(p->path) : g_strdup("FILE");
  const char *name = p->session->invocation->name;
  gboolean named = lw_target_is_twin() && !g_str_equal(name, "default");
  g_string_append_printf(p->out, "\nThen “%s apply %s%s%s%s”: ", lw_target_command(), named ? "--name " : "",
                         named ? name : "", named ? " " : "", path);
  if (lw_target_is_twin())
    g_string_append(p->out, "that changes the twin alone, nothing of the real network.\n");
  else
    g_string_append_printf(p->out, "that changes the real network (“lanward plan %s” says before how).\n",
                           path);
}
