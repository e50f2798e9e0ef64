/* The matrix for people. Widths are counted in characters, not bytes. */
#include "verify/tally.h"

#include <string.h>

#define RED "\033[31m"
#define GREEN "\033[32m"
#define DIM "\033[2m"
#define PLAIN "\033[0m"
/* More segments than these have no column each: nobody could read it. */
#define SEGMENTS_ACROSS 24
/* Of alike ones so many are named; of those that are wrong, more: the violations below name all. */
#define ALIKE_NAMED 3
#define WAYS_NAMED 6
#define WRONG_NAMED 24

static const char *const mark_colour[] = {"", DIM, GREEN, GREEN, RED, RED};

static guint width_of(const char *text) {
  return (guint)g_utf8_strlen(text, -1);
}

typedef struct {
  GString *out;
  gboolean colour;
} Paper;

static void put(const Paper *p, const char *text, guint width, const char *colour) {
  gboolean coloured = p->colour && *colour;
  if (coloured)
    g_string_append(p->out, colour);
  lw_append_clean(p->out, text);
  if (coloured)
    g_string_append(p->out, PLAIN);
  for (guint i = width_of(text); i < width; i++)
    g_string_append_c(p->out, ' ');
}

static void end_line(const Paper *p) {
  gsize end = p->out->len;
  while (end && p->out->str[end - 1] == ' ')
    end--;
  g_string_truncate(p->out, end);
  g_string_append_c(p->out, '\n');
}

static void put_matrix(const Paper *p, const LwTally *tally) {
  guint rows = tally->sources->len, columns = tally->destinations->len, first = 0;
  g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
  g_autofree guint *widths = g_new0(guint, columns + 1);
  for (guint j = 0; j < columns; j++)
    widths[j] = width_of(tally->destinations->pdata[j]);
  for (guint i = 0; i < rows; i++)
    first = MAX(first, width_of(tally->sources->pdata[i]));
  for (guint i = 0; i < rows * columns; i++) {
    g_ptr_array_add(texts, lw_tally_text(tally, i / columns, i % columns, LW_TALLY_SERVICES));
    widths[i % columns] = MAX(widths[i % columns], width_of(texts->pdata[i]));
  }
  put(p, "", first + 2, "");
  for (guint j = 0; j < columns; j++)
    put(p, tally->destinations->pdata[j], widths[j] + 2, "");
  end_line(p);
  for (guint i = 0; i < rows; i++) {
    put(p, tally->sources->pdata[i], first + 2, "");
    for (guint j = 0; j < columns; j++)
      put(p, texts->pdata[i * columns + j], widths[j] + 2, mark_colour[lw_tally_mark(tally, i, j)]);
    end_line(p);
  }
}

/* --- the matrix of many segments: a line for all that are alike
 * ---------------------------------------------------------------------------------------------------- */

static gboolean is_segment(const LwLab *lab, const char *name) {
  return lw_lab_find_segment(lab, name) != LW_NONE;
}

/* "s0, s2", or "s0, s2, s4 … (500 segments)". Transfer full. */
static char *names_text(const GPtrArray *names, guint most) {
  GString *out = g_string_new(NULL);
  gboolean all = names->len - 1 <= most; /* one more is as short as to say so */
  for (guint i = 0; i < (all ? names->len : most); i++)
    g_string_append_printf(out, "%s%s", i ? ", " : "", (char *)names->pdata[i]);
  if (!all)
    g_string_append_printf(out, " … (%u segments)", names->len);
  return g_string_free(out, FALSE);
}

/* Texts, each with the names that have it, in the order of the first. */
typedef struct {
  GPtrArray *texts;  /* of char* */
  GHashTable *names; /* text -> GPtrArray of borrowed names */
} Alike;

static void unref_names(gpointer names) {
  g_ptr_array_unref(names);
}

static Alike alike_new(void) {
  return (Alike){g_ptr_array_new_with_free_func(g_free),
                 g_hash_table_new_full(g_str_hash, g_str_equal, NULL, unref_names)};
}

static void alike_clear(Alike *alike) {
  g_hash_table_unref(alike->names);
  g_ptr_array_unref(alike->texts);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Alike, alike_clear)

static GPtrArray *alike_names(const Alike *alike, guint index) {
  return g_hash_table_lookup(alike->names, alike->texts->pdata[index]);
}

static void alike_add(const Alike *alike, const char *text, const char *name) {
  GPtrArray *names = g_hash_table_lookup(alike->names, text);
  if (!names) {
    names = g_ptr_array_new();
    g_ptr_array_add(alike->texts, g_strdup(text));
    g_hash_table_insert(alike->names, alike->texts->pdata[alike->texts->len - 1], names);
  }
  g_ptr_array_add(names, (gpointer)name);
}

/* A square of such a line, or what stands in it for many. */
typedef struct {
  char *text, *whole; /* whole: nothing left out, for whether two are alike */
  LwMark mark;        /* for its colour */
} Part;

static void part_clear(gpointer data) {
  g_free(((Part *)data)->text);
  g_free(((Part *)data)->whole);
}

static Part part_at(const LwTally *tally, guint source, guint destination) {
  return (Part){lw_tally_text(tally, source, destination, LW_TALLY_SERVICES),
                lw_tally_text(tally, source, destination, G_MAXUINT),
                lw_tally_mark(tally, source, destination)};
}

/* What gets to other segments, by what it is. */
typedef struct {
  Alike alike;      /* by all services */
  GPtrArray *parts; /* of Part*: the first square of each */
} Others;

static void part_free(gpointer part) {
  part_clear(part);
  g_free(part);
}

static void others_clear(Others *others) {
  alike_clear(&others->alike);
  g_ptr_array_unref(others->parts);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Others, others_clear)

static Others find_others(const LwTally *tally, const gboolean *across, guint source) {
  Others others = {alike_new(), g_ptr_array_new_with_free_func(part_free)};
  for (guint j = 0; j < tally->destinations->len; j++) {
    LwMark mark = lw_tally_mark(tally, source, j);
    if (!across[j] || mark == LW_MARK_EMPTY || mark == LW_MARK_NONE ||
        g_str_equal(tally->destinations->pdata[j], tally->sources->pdata[source]))
      continue;
    Part part = part_at(tally, source, j);
    alike_add(&others.alike, part.whole, tally->destinations->pdata[j]);
    if (others.parts->len < others.alike.texts->len)
      g_ptr_array_add(others.parts, g_memdup2(&part, sizeof part));
    else
      part_clear(&part);
  }
  return others;
}

/* "s7 ◐ tcp/22; s8, s9 ✓": what is wrong first, and all of it. */
static char *others_text(const Others *others, guint wrong_named, guint named, guint ways) {
  GString *out = g_string_new(NULL);
  guint shown = 0, left = 0;
  for (guint pass = 0; pass < 2; pass++)
    for (guint i = 0; i < others->parts->len; i++) {
      const Part *part = others->parts->pdata[i];
      gboolean bad = part->mark == LW_MARK_BAD;
      if (bad != (pass == 0))
        continue;
      if (!bad && shown++ >= ways) {
        left += alike_names(&others->alike, i)->len;
        continue;
      }
      g_autofree char *names = names_text(alike_names(&others->alike, i), bad ? wrong_named : named);
      g_string_append_printf(out, "%s%s %s", out->len ? "; " : "", names,
                             named == G_MAXUINT ? part->whole : part->text);
    }
  if (left)
    g_string_append_printf(out, "; … %u more", left);
  if (out->len == 0)
    g_string_append(out, lw_mark_text(LW_MARK_NONE));
  return g_string_free(out, FALSE);
}

static LwMark worst_of(const Others *others) {
  LwMark worst = LW_MARK_NONE;
  for (guint i = 0; i < others->parts->len; i++) {
    LwMark mark = ((const Part *)others->parts->pdata[i])->mark;
    if (worst != LW_MARK_BAD && (mark == LW_MARK_BAD || mark > worst))
      worst = mark;
  }
  return worst;
}

static Part others_of(const LwTally *tally, const gboolean *across, guint source) {
  g_auto(Others) others = find_others(tally, across, source);
  return (Part){others_text(&others, WRONG_NAMED, ALIKE_NAMED, WAYS_NAMED),
                others_text(&others, G_MAXUINT, G_MAXUINT, G_MAXUINT), worst_of(&others)};
}

static Part own_of(const LwTally *tally, guint source) {
  for (guint j = 0; j < tally->destinations->len; j++)
    if (g_str_equal(tally->destinations->pdata[j], tally->sources->pdata[source]))
      return part_at(tally, source, j);
  return (Part){g_strdup(""), g_strdup(""), LW_MARK_EMPTY};
}

/* Of Part: each destination that is no segment, then the own segment, and the others. */
static GArray *parts_of(const LwTally *tally, const gboolean *across, guint source) {
  GArray *parts = g_array_new(FALSE, FALSE, sizeof(Part));
  g_array_set_clear_func(parts, part_clear);
  for (guint j = 0; j < tally->destinations->len; j++) {
    if (across[j])
      continue;
    const Part part = part_at(tally, source, j);
    g_array_append_val(parts, part);
  }
  const Part last[] = {own_of(tally, source), others_of(tally, across, source)};
  g_array_append_vals(parts, last, G_N_ELEMENTS(last));
  return parts;
}

/* Lines that say the same are alike; one with something wrong is like no other, and neither is what is no
 * segment. */
static char *key_of(const LwLab *lab, const LwTally *tally, guint source, const GArray *parts) {
  GString *key = g_string_new(NULL);
  gboolean alone = !is_segment(lab, tally->sources->pdata[source]);
  for (guint i = 0; i < parts->len; i++) {
    const Part *part = &g_array_index(parts, Part, i);
    alone |= part->mark == LW_MARK_BAD;
    g_string_append_printf(key, "%s\n", part->whole);
  }
  if (alone)
    g_string_append_printf(key, "%u", source);
  return g_string_free(key, FALSE);
}

static void free_parts(gpointer parts) {
  g_array_unref(parts);
}

static void put_heads(const Paper *p, const LwTally *tally, const gboolean *across, guint *widths,
                      guint first) {
  guint column = 0;
  g_autoptr(GPtrArray) heads = g_ptr_array_new();
  for (guint j = 0; j < tally->destinations->len; j++)
    if (!across[j])
      g_ptr_array_add(heads, tally->destinations->pdata[j]);
  g_ptr_array_add(heads, (gpointer) "same segment");
  g_ptr_array_add(heads, (gpointer) "other segments");
  put(p, "", first + 2, "");
  for (; column < heads->len; column++) {
    widths[column] = MAX(widths[column], width_of(heads->pdata[column]));
    put(p, heads->pdata[column], widths[column] + 2, "");
  }
  end_line(p);
}

static void put_lines(const Paper *p, const LwTally *tally, const LwLab *lab) {
  guint columns = tally->destinations->len, first = 0;
  g_autofree gboolean *across = g_new0(gboolean, columns + 1); /* is a segment */
  g_autofree guint *widths = g_new0(guint, columns + 2);
  g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(free_parts);
  g_autoptr(GPtrArray) labels = g_ptr_array_new_with_free_func(g_free);
  g_auto(Alike) alike = alike_new();
  for (guint j = 0; j < columns; j++)
    across[j] = is_segment(lab, tally->destinations->pdata[j]);
  for (guint i = 0; i < tally->sources->len; i++) {
    g_autoptr(GArray) parts = parts_of(tally, across, i);
    g_autofree char *key = key_of(lab, tally, i, parts);
    guint known = alike.texts->len;
    alike_add(&alike, key, tally->sources->pdata[i]);
    if (alike.texts->len > known)
      g_ptr_array_add(lines, g_steal_pointer(&parts));
  }
  for (guint k = 0; k < lines->len; k++) {
    const GArray *parts = lines->pdata[k];
    g_ptr_array_add(labels, names_text(alike_names(&alike, k), ALIKE_NAMED));
    first = MAX(first, width_of(labels->pdata[k]));
    for (guint c = 0; c < parts->len; c++)
      widths[c] = MAX(widths[c], width_of(g_array_index(parts, Part, c).text));
  }
  put_heads(p, tally, across, widths, first);
  for (guint k = 0; k < lines->len; k++) {
    const GArray *parts = lines->pdata[k];
    put(p, labels->pdata[k], first + 2, "");
    for (guint c = 0; c < parts->len; c++) {
      const Part *part = &g_array_index(parts, Part, c);
      put(p, part->text, c + 1 < parts->len ? widths[c] + 2 : 0, mark_colour[part->mark]);
    }
    end_line(p);
  }
}

static gboolean is_large(const LwTally *tally, const LwLab *lab) {
  guint segments = 0;
  for (guint j = 0; j < tally->destinations->len && segments <= SEGMENTS_ACROSS; j++)
    segments += is_segment(lab, tally->destinations->pdata[j]);
  return segments > SEGMENTS_ACROSS;
}

/* --- exits
 * ---------------------------------------------------------------------------------------------------------
 */

/* What is one row: sources of one segment that went the same way; of many segments, all that did. */
static char *way_text(const LwExitCheck *check, gboolean large) {
  return g_strjoin("\n", large && check->ok ? "" : check->segment, check->exit, check->ok ? "" : "wrong",
                   check->seen ? check->seen : "", check->resolver_seen ? check->resolver_seen : "", NULL);
}

static gboolean same_name(gconstpointer a, gconstpointer b) {
  return g_str_equal(a, b);
}

/* The segments of the checks, each once. */
static char *segments_text(const GPtrArray *checks) {
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (guint i = 0; i < checks->len; i++) {
    char *name = ((const LwExitCheck *)checks->pdata[i])->segment;
    /* those of one segment mostly come one after the other */
    if (names->len && g_str_equal(names->pdata[names->len - 1], name))
      continue;
    if (!g_ptr_array_find_with_equal_func(names, name, same_name, NULL))
      g_ptr_array_add(names, name);
  }
  return names_text(names, ALIKE_NAMED);
}

static void put_exits(const Paper *p, const LwVerifyReport *report, gboolean large) {
  static const char *const heads[] = {"segment", "source", "exit", "seen as", "resolver", ""};
  enum { COLUMNS = G_N_ELEMENTS(heads) };
  if (report->exits->len == 0)
    return;
  g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
  g_auto(Alike) alike = alike_new();
  guint widths[COLUMNS];
  for (guint j = 0; j < COLUMNS; j++) {
    widths[j] = width_of(heads[j]);
    g_ptr_array_add(texts, g_strdup(heads[j]));
  }
  for (guint i = 0; i < report->exits->len; i++) {
    g_autofree char *way = way_text(report->exits->pdata[i], large);
    alike_add(&alike, way, report->exits->pdata[i]);
  }
  for (guint i = 0; i < alike.texts->len; i++) {
    const GPtrArray *same = alike_names(&alike, i);
    const LwExitCheck *check = same->pdata[0];
    g_autofree char *segments = segments_text(same);
    g_autofree char *sources =
        same->len > 1 ? g_strdup_printf("%s +%u", check->source, same->len - 1) : g_strdup(check->source);
    const char *row[COLUMNS] = {segments,
                                sources,
                                check->exit,
                                check->seen ? check->seen : "-",
                                check->resolver_seen ? check->resolver_seen : "-",
                                lw_mark_text(check->ok ? LW_MARK_ALL : LW_MARK_BAD)};
    for (guint j = 0; j < COLUMNS; j++) {
      widths[j] = MAX(widths[j], width_of(row[j]));
      g_ptr_array_add(texts, g_strdup(row[j]));
    }
  }
  g_string_append_c(p->out, '\n');
  for (guint k = 0; k < texts->len; k++) {
    gboolean last = k % COLUMNS == COLUMNS - 1;
    gboolean bad = g_str_equal(texts->pdata[k], lw_mark_text(LW_MARK_BAD));
    put(p, texts->pdata[k], widths[k % COLUMNS] + 2,
        last && k >= COLUMNS ? mark_colour[bad ? LW_MARK_BAD : LW_MARK_ALL] : "");
    if (last)
      end_line(p);
  }
}

/* What the marks and the columns that are no place of the file mean. */
static void put_legend(const Paper *p, gboolean large) {
  static const char *const lines[] = {
      "✓ all that was tried passes   ◐ only what is named   · nothing   ✗ not as the file says",
      "private: special addresses by the exit   around: past the router, false sources, IPv6",
      "a line stands for all segments that are alike; --json has each of them",
  };
  for (guint i = 0; i < G_N_ELEMENTS(lines) - !large; i++) {
    put(p, lines[i], 0, "\033[2m");
    g_string_append_c(p->out, '\n');
  }
}

char *lw_verify_format(LwVerifyReport *report, const LwLab *lab, gboolean colour) {
  Paper p = {g_string_new(NULL), colour};
  if (!report->tally)
    report->tally = lw_tally_new(report, lab, NULL);
  gboolean large = is_large(report->tally, lab);
  if (large)
    put_lines(&p, report->tally, lab);
  else
    put_matrix(&p, report->tally);
  put_legend(&p, large);
  put_exits(&p, report, large);
  if (report->violations->len)
    g_string_append_c(p.out, '\n');
  for (guint i = 0; i < report->violations->len; i++) {
    put(&p, "✗ ", 0, mark_colour[LW_MARK_BAD]);
    put(&p, report->violations->pdata[i], 0, "");
    g_string_append_c(p.out, '\n');
  }
  for (guint i = 0; report->left_out && i < report->left_out->len; i++) {
    g_string_append(p.out, i ? "" : "\n");
    put(&p, "not tried: ", 0, "");
    put(&p, report->left_out->pdata[i], 0, "");
    g_string_append_c(p.out, '\n');
  }
  if (report->errors)
    g_string_append_printf(p.out, "\n%u ICMP errors sent, of open flows and of none\n", report->errors);
  if (report->lost_tunnels)
    g_string_append_printf(p.out, "\n%u tunnel%s lost, one after the other, in a copy of the router\n",
                           report->lost_tunnels, report->lost_tunnels == 1 ? "" : "s");
  if (report->led_flows)
    g_string_append_printf(p.out, "%u open flows led to an exit that is not theirs, in that copy\n",
                           report->led_flows);
  g_string_append_printf(p.out, "\n%u packets, %u violation%s, %u untested, %.1f s\n", report->packets,
                         report->violations->len, report->violations->len == 1 ? "" : "s",
                         report->tally->untested, (double)report->elapsed_ms / 1000);
  return g_string_free(p.out, FALSE);
}
