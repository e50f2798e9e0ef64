#include "providers/opnsense/console.h"

#include "base/error.h"

#include <string.h>

#define SCREEN_LINES 12
#define LINE_MAX_BYTES 400

struct LwConsole {
  LwConsoleState state;
  char *device;
  guint limits[3];
  gint64 since;      /* when the state began */
  GString *line;     /* the one being printed, plain */
  GPtrArray *screen; /* of char*: the last whole lines */
  guint escape;      /* inside a control sequence: 1 after ESC, 2 after ESC [ */
  const char *why;
  gboolean restored;    /* config.xml is taken over */
  gboolean fingerprint; /* the line before was the first half of the certificate's */
  GString *digits;
};

LwConsole *lw_console_new(const char *device, const guint limits[3], gint64 now) {
  static const guint usual[] = {300, 60, 600};
  LwConsole *console = g_new0(LwConsole, 1);
  console->device = g_strdup(device);
  for (guint i = 0; i < 3; i++)
    console->limits[i] = limits && limits[i] ? limits[i] : usual[i];
  console->since = now;
  console->line = g_string_new(NULL);
  console->digits = g_string_new(NULL);
  console->screen = g_ptr_array_new_with_free_func(g_free);
  return console;
}

void lw_console_free(LwConsole *console) {
  if (!console)
    return;
  g_free(console->device);
  g_string_free(console->line, TRUE);
  g_string_free(console->digits, TRUE);
  g_ptr_array_unref(console->screen);
  g_free(console);
}

#define HTTPS " HTTPS: SHA256 "
#define DIGITS 64

/* " HTTPS: SHA256 AB CD …", sixteen bytes, and sixteen on the next line. */
static void note_fingerprint(LwConsole *console) {
  const char *line = console->line->str;
  gboolean first = g_str_has_prefix(line, HTTPS);
  if (first)
    g_string_truncate(console->digits, 0);
  for (const char *at = first ? line + strlen(HTTPS) : line; (first || console->fingerprint) && *at; at++)
    if (g_ascii_isxdigit(*at) && console->digits->len < DIGITS)
      g_string_append_c(console->digits, g_ascii_tolower(*at));
    else if (*at != ' ')
      g_string_truncate(console->digits, 0);
  console->fingerprint = first;
}

static void end_line(LwConsole *console) {
  if (console->line->len == 0)
    return;
  note_fingerprint(console);
  if (console->screen->len == SCREEN_LINES)
    g_ptr_array_remove_index(console->screen, 0);
  g_ptr_array_add(console->screen, g_strdup(console->line->str));
  g_string_truncate(console->line, 0);
}

/* Letters of control sequences are no text: a boot menu moves its cursor about. */
static gboolean in_escape(LwConsole *console, guchar c) {
  if (console->escape == 1) {
    console->escape = c == '[' ? 2 : 0;
    return TRUE;
  }
  if (console->escape == 2) {
    if (c >= 0x40 && c <= 0x7e)
      console->escape = 0;
    return TRUE;
  }
  if (c == 0x1b)
    console->escape = 1;
  return c == 0x1b;
}

static void take(LwConsole *console, guchar c) {
  if (in_escape(console, c))
    return;
  if (c == '\n' || c == '\r')
    end_line(console);
  else if (c == '\b' && console->line->len)
    g_string_truncate(console->line, console->line->len - 1);
  else if (c >= 0x20 && c < 0x7f)
    g_string_append_c(console->line, (char)c);
  if (console->line->len >= LINE_MAX_BYTES)
    end_line(console);
}

static void enter(LwConsole *console, LwConsoleState state, gint64 now) {
  console->state = state;
  console->since = now;
  end_line(console); /* what led here must not lead on */
}

static gboolean says(const LwConsole *console, const char *words) {
  return strstr(console->line->str, words) != NULL;
}

static void fail(LwConsole *console, const char *why) {
  console->state = LW_CONSOLE_FAILED;
  console->why = why;
}

typedef struct {
  const char *words, *why;
} Trouble;

/* NULL: none of them. */
static const char *trouble(const LwConsole *console, const Trouble *list, guint count) {
  for (guint i = 0; i < count; i++)
    if (says(console, list[i].words))
      return list[i].why;
  return NULL;
}

static const char *trouble_at_any_time(const LwConsole *console) {
  static const Trouble list[] = {
      {"mountroot>", "the system does not boot"},
      {"panic:", "the system does not boot"},
      {"Enter full pathname of shell", "the system stops in single-user mode"},
  };
  return trouble(console, list, G_N_ELEMENTS(list));
}

/* It asks again when it has found nothing: there is nothing else to answer. */
static const char *trouble_of_import(const LwConsole *console) {
  static const Trouble list[] = {
      {"No known partition layout was found", "the importer does not find the medium"},
      {"The device could not be mounted", "the importer cannot read the medium"},
      {"config.xml could not be", "the importer does not find conf/config.xml on the medium"},
      {"Select device to import from", "the importer does not find conf/config.xml on the medium"},
      {"start the manual interface assignment",
       "it does not find the network cards that its configuration names"},
  };
  return trouble(console, list, G_N_ELEMENTS(list));
}

static void answered(LwConsole *console, gint64 now) {
  const char *why = trouble_of_import(console);
  if (says(console, "Restoring config.xml"))
    console->restored = TRUE;
  if (why)
    fail(console, why);
  else if (says(console, "login:") && !console->restored)
    fail(console, "it came up without having taken the configuration over");
  else if (says(console, "login:"))
    enter(console, LW_CONSOLE_READY, now);
}

/* A prompt has no end of line: it is looked for after each byte. The offer's first dot is waited for: then
 * the importer reads, and the key is not lost. */
static char *react(LwConsole *console, gint64 now) {
  const char *why = trouble_at_any_time(console);
  if (why)
    fail(console, why);
  switch (console->state) {
  case LW_CONSOLE_BOOTING:
    if (says(console, "start the configuration importer: .")) {
      enter(console, LW_CONSOLE_OFFERED, now);
      return g_strdup("\n");
    }
    if (says(console, "login:"))
      fail(console, "it came up without asking for a configuration to import: is the image new?");
    break;
  case LW_CONSOLE_OFFERED:
    if (says(console, "leave blank to exit:")) {
      enter(console, LW_CONSOLE_ANSWERED, now);
      return g_strdup_printf("%s\n", console->device);
    }
    if (says(console, "login:"))
      fail(console, "the importer did not ask for the device");
    break;
  case LW_CONSOLE_ANSWERED:
    answered(console, now);
    break;
  case LW_CONSOLE_READY:
  case LW_CONSOLE_FAILED:
    break;
  }
  return NULL;
}

static void check_time(LwConsole *console, gint64 now) {
  static const char *const whys[] = {"the importer's offer did not come in time",
                                     "the importer's question did not come in time",
                                     "the boot after the import did not end in time"};
  if (console->state <= LW_CONSOLE_ANSWERED && now - console->since > console->limits[console->state])
    fail(console, whys[console->state]);
}

char *lw_console_feed(LwConsole *console, const char *bytes, gsize length, gint64 now) {
  g_autoptr(GString) out = g_string_new(NULL);
  for (gsize i = 0; i < length && console->state < LW_CONSOLE_READY; i++) {
    take(console, (guchar)bytes[i]);
    g_autofree char *typed = react(console, now);
    if (typed)
      g_string_append(out, typed);
  }
  check_time(console, now);
  return out->len ? g_string_free(g_steal_pointer(&out), FALSE) : NULL;
}

void lw_console_give_up(LwConsole *console, const char *why) {
  if (console->state < LW_CONSOLE_READY)
    fail(console, why);
}

const char *lw_console_certificate(const LwConsole *console) {
  return console->digits->len == DIGITS ? console->digits->str : NULL;
}

LwConsoleState lw_console_state(const LwConsole *console) {
  return console->state;
}

gboolean lw_console_check(const LwConsole *console, GError **error) {
  if (console->state != LW_CONSOLE_FAILED)
    return TRUE;
  g_autoptr(GString) screen = g_string_new(NULL);
  for (guint i = 0; i < console->screen->len; i++)
    g_string_append_printf(screen, "\n  %s", (char *)console->screen->pdata[i]);
  if (console->line->len)
    g_string_append_printf(screen, "\n  %s", console->line->str);
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED, "the router's console: %s; last on its screen:%s",
              console->why, screen->len ? screen->str : " nothing");
  return FALSE;
}
