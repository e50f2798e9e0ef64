#include "cmd/cmd.h"

#include "base/error.h"
#include "providers/dhcpcd/dhcpcd.h"
#include "providers/server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef LW_VERSION
#define LW_VERSION "unknown"
#endif

static const LwVerb verbs[] = {
    {"check", lw_check_main, TRUE, TRUE, "[FILE]",
     "is the file right? (the twin makes up WireGuard files that are missing)"},
    {"diagram", lw_diagram_main, TRUE, TRUE, "[FILE] [-o FILE.svg]", "draw the lab"},
    {"audit", lw_audit_main, FALSE, TRUE, "CONFIG.xml [-o FILE.svg]",
     "any OPNsense's config.xml: who reaches whom, what is open (exit code 3: findings)"},
    {"opnsense", lw_opnsense_main, FALSE, TRUE, "[FILE [THERE.xml]] -o NEW.xml",
     "the lab as an OPNsense's config.xml, or put into the one that is there"},
    {"doctor", lw_doctor_main, FALSE, TRUE, "[FILE]",
     "what of this machine is in a lab's way, with the remedy (exit code 3: findings)"},
    {"init", lw_init_main, FALSE, TRUE, "[-o FILE] [--uplink NIC]", "write a first file for this machine"},
    {"import", lw_import_main, FALSE, TRUE, "[-o FILE] [--config ROUTER.xml]",
     "a lab made by hand (libvirt, NetworkManager, containers, wg-quick), or an OPNsense's configuration, as "
     "a file"},
    {"adopt", lw_adopt_main, FALSE, TRUE, "DOMAIN|CONTAINER [SEGMENT]",
     "put a virtual machine or a container that is there into the file"},
    {"edit", lw_edit_main, TRUE, TRUE, "[FILE]",
     "the file in your editor: checked and planned before it is saved, applied to be confirmed"},
    {"apply", lw_apply_main, TRUE, TRUE, "[FILE] [--confirm 60s] [--reset]",
     "make it so (starts the twin when it is not running); taken back unless confirmed in time"},
    {"confirm", lw_confirm_main, TRUE, TRUE, "", "keep what apply --confirm did"},
    {"rollback", lw_rollback_main, TRUE, TRUE, "[GENERATION]",
     "back to an earlier file (without a number: the one before)"},
    {"recover", lw_recover_main, TRUE, TRUE, "",
     "put right what was cut short; every other verb does so first"},
    {"boot", lw_boot_main, FALSE, TRUE, "", "the lab in force, as it was: what lanward.service runs"},
    {"start", lw_start_main, FALSE, TRUE, "[MACHINE…]",
     "the machines that the file starts, in order, once the router is ready: what lanward-machines.service "
     "runs"},
    {"stop", lw_stop_main, FALSE, TRUE, "[MACHINE…]", "shut them down, the other way round"},
    {"block", lw_block_main, FALSE, TRUE, "",
     "the guards of the lab in force, alone: what lanward-block.service runs before there is a network"},
    {"plan", lw_plan_main, TRUE, TRUE, "[FILE]", "what would apply change? (exit code 2: something)"},
    {"status", lw_status_main, TRUE, TRUE, "[--history]",
     "what runs, and what differs from the file in force"},
    {"verify", lw_verify_main, TRUE, TRUE, "[--static|--live] [--config ROUTER.xml [FILE]] [--junit FILE]",
     "prove who can reach whom, by the rules in force and with packets (exit code 3: a violation)"},
    {"explain", lw_explain_main, TRUE, TRUE, "'FROM -> TO [SERVICE]'",
     "the way of one packet, hop by hop: which rule, which line of the file"},
    {"exec", lw_exec_main, TRUE, TRUE, "MACHINE|@PLACE -- COMMAND…",
     "run a command on a machine, or at @host, @router, @home-router, @internet, @TUNNEL"},
    {"switch", lw_switch_main, TRUE, TRUE, "SEGMENT EXIT", "use another exit of the segment's pool"},
    {"move", lw_move_main, TRUE, TRUE, "MACHINE[/NIC] SEGMENT [--persist]",
     "plug a machine into another segment (and write it into the file)"},
    {"cut", lw_cut_main, TRUE, TRUE, "MACHINE", "take a machine off everything, until heal"},
    {"heal", lw_heal_main, TRUE, TRUE, "MACHINE", "plug it in again"},
    {"drops", lw_drops_main, TRUE, TRUE, "", "watch what is refused: machine, packet, reason"},
    {"watch", lw_watch_main, FALSE, TRUE, "",
     "stay, and plug the lab's containers in again whenever they start"},
    {"down", lw_down_main, TRUE, TRUE, "[--force]", "take the lab away; nothing is left"},
    {"list", lw_list_main, TRUE, FALSE, "", "the twins that are running"},
    {"probe", lw_probe_main, TRUE, FALSE, "", "can this machine run a twin? what is missing?"},
    {NULL},
};

const LwVerb *lw_verbs(void) {
  return verbs;
}

int lw_fail(const GError *error) {
  g_printerr("lanward: %s\n", error ? error->message : "failed");
  return g_error_matches(error, LW_ERROR, LW_ERROR_ROLLED_BACK) ? LW_EXIT_ROLLED_BACK : LW_EXIT_ERROR;
}

int lw_fail_text(const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  g_printerr("lanward: %s\n", text);
  return LW_EXIT_ERROR;
}

void lw_print_json(JsonObject *object) {
  json_object_set_string_member(object, "format_version", LW_FORMAT_VERSION);
  g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
  json_node_take_object(root, object);
  g_autofree char *text = json_to_string(root, TRUE);
  g_print("%s\n", text);
}

static void print_help(void) {
  g_print("lanward: one file describes a segmented lab; lanward builds it, changes it safely, and proves its "
          "isolation.\n\n");
  for (int twin = 0; twin <= 1; twin++) {
    g_print("%s\n", twin ? "\nIn a sandbox that needs no root and cannot change this machine:"
                         : "On a file, and as root on this machine:");
    for (const LwVerb *verb = verbs; verb->name; verb++) {
      if (twin ? !verb->on_twin : !verb->on_host)
        continue;
      g_autofree char *usage =
          g_strdup_printf("lanward %s%s %s", twin ? "twin " : "", verb->name, verb->arguments);
      g_print("  %-52s %s\n", usage, verb->summary);
    }
  }
  g_print("\nOptions: --name NAME (which twin), --json, -q, -v, -o FILE. See man lanward.\n");
}

/* "90", "90s", "2m", "1h". */
static gboolean parse_duration(const char *text, guint *seconds) {
  char *end = NULL;
  guint64 number = g_ascii_isdigit(*text) ? g_ascii_strtoull(text, &end, 10) : 0;
  guint64 unit = !end                             ? 0
                 : !*end || g_str_equal(end, "s") ? 1
                 : g_str_equal(end, "m")          ? 60
                 : g_str_equal(end, "h")          ? 3600
                                                  : 0;
  if (number == 0 || unit == 0 || number > 86400 / unit)
    return FALSE;
  *seconds = (guint)(number * unit);
  return TRUE;
}

static gboolean take_confirm(const char *name, const char *value, gpointer data, GError **error) {
  LwInvocation *invocation = data;
  (void)name;
  if (parse_duration(value, &invocation->confirm_seconds))
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_USAGE, "--confirm %s: a time is like 60s, 5m or 1h, at most a day",
              value);
  return FALSE;
}

static gboolean parse_options(LwInvocation *invocation, int *argc, char ***argv, GError **error) {
  g_auto(GStrv) rest = NULL;
  GOptionEntry entries[] = {
      {"name", 'n', 0, G_OPTION_ARG_STRING, &invocation->name, "which twin (default: default)", "NAME"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &invocation->json, "print JSON", NULL},
      {"quiet", 'q', 0, G_OPTION_ARG_NONE, &invocation->quiet, "print errors only", NULL},
      {"verbose", 'v', 0, G_OPTION_ARG_NONE, &invocation->verbose, "print every change", NULL},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &invocation->output, "write there", "FILE"},
      {"file", 'f', 0, G_OPTION_ARG_FILENAME, &invocation->file, "the lab's file", "FILE"},
      {"confirm", 0, 0, G_OPTION_ARG_CALLBACK, (gpointer)take_confirm, "take it back unless confirmed",
       "TIME"},
      {"no-wait", 0, 0, G_OPTION_ARG_NONE, &invocation->no_wait, "do not wait for the confirmation", NULL},
      {"history", 0, 0, G_OPTION_ARG_NONE, &invocation->history, "the generations kept", NULL},
      {"static", 0, 0, G_OPTION_ARG_NONE, &invocation->statically,
       "verify by what is in force, without a packet", NULL},
      {"live", 0, 0, G_OPTION_ARG_NONE, &invocation->live, "verify by packets alone", NULL},
      {"config", 0, 0, G_OPTION_ARG_FILENAME, &invocation->config, "an OPNsense's config.xml", "FILE"},
      {"junit", 0, 0, G_OPTION_ARG_FILENAME, &invocation->junit, "write verify's result there, for CI",
       "FILE"},
      {"root", 0, 0, G_OPTION_ARG_FILENAME, &invocation->root, "doctor, init, import: look below it", "DIR"},
      {"uplink", 0, 0, G_OPTION_ARG_STRING, &invocation->uplink, "init, import: the NIC", "NIC"},
      {"subnet", 0, 0, G_OPTION_ARG_STRING, &invocation->subnet, "init: of the first segment", "SUBNET"},
      {"lab", 0, 0, G_OPTION_ARG_STRING, &invocation->lab_name, "init, import: the lab's name", "NAME"},
      {"reset", 0, 0, G_OPTION_ARG_NONE, &invocation->reset,
       "apply, plan: what was switched and moved goes back to the file", NULL},
      {"persist", 0, 0, G_OPTION_ARG_NONE, &invocation->persist, "move: write it into the file, too", NULL},
      {"force", 0, 0, G_OPTION_ARG_NONE, &invocation->force,
       "apply, down: pull the plug of a made machine that goes and does not shut down", NULL},
      {"yes", 'y', 0, G_OPTION_ARG_NONE, &invocation->yes, "ask nothing", NULL},
      {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &rest, NULL, NULL},
      {NULL},
  };
  g_autoptr(GOptionContext) context = g_option_context_new(NULL);
  GOptionGroup *group = g_option_group_new("lanward", "", "", invocation, NULL);
  g_option_group_add_entries(group, entries);
  g_option_context_set_main_group(context, group);
  g_option_context_set_help_enabled(context, FALSE);
  if (!g_option_context_parse(context, argc, argv, error))
    return FALSE;
  for (char **arg = rest; arg && *arg; arg++)
    g_ptr_array_add(invocation->args, g_strdup(*arg));
  return TRUE;
}

/* What stands behind "--" is a command of somebody else's: none of it is an option of ours. */
static int split_command(int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    if (g_str_equal(argv[i], "--"))
      return i;
  return argc;
}

static const LwVerb *find_verb(const char *name, gboolean twin) {
  for (const LwVerb *verb = verbs; verb->name; verb++)
    if (g_str_equal(verb->name, name) && (twin ? verb->on_twin : verb->on_host))
      return verb;
  return NULL;
}

static int no_such_verb(const char *name, gboolean twin) {
  const LwVerb *elsewhere = find_verb(name, !twin);
  if (elsewhere && !twin)
    return lw_fail_text("“%s” is about twins: lanward twin %s %s", name, name, elsewhere->arguments);
  if (elsewhere)
    return lw_fail_text("“%s” needs no twin: lanward %s %s", name, name, elsewhere->arguments);
  return lw_fail_text("no verb “%s”: see lanward --help", name);
}

static int run(int argc, char **argv) {
  LwInvocation invocation = {0};
  g_autoptr(GPtrArray) args = g_ptr_array_new_with_free_func(g_free);
  invocation.args = args;
  invocation.colour = isatty(STDOUT_FILENO) && !g_getenv("NO_COLOR");
  int end = split_command(argc, argv);
  int own = end;
  g_autofree char **own_argv = g_memdup2(argv, sizeof(char *) * (gsize)(argc + 1));
  own_argv[end] = NULL;
  char **parsed = own_argv;
  g_autoptr(GError) error = NULL;
  if (!parse_options(&invocation, &own, &parsed, &error))
    return lw_fail(error);
  for (int i = end + 1; i < argc; i++)
    g_ptr_array_add(args, g_strdup(argv[i]));
  g_ptr_array_add(args, NULL);
  if (!invocation.name)
    invocation.name = g_strdup("default");
  guint at = 0;
  invocation.twin = args->pdata[0] && g_str_equal(args->pdata[0], "twin");
  lw_target_set_twin(invocation.twin);
  at += invocation.twin;
  if (!args->pdata[at]) {
    print_help();
    return LW_EXIT_ERROR;
  }
  g_autofree char *name = g_strdup(args->pdata[at]);
  g_ptr_array_remove_range(args, 0, at + 1);
  const LwVerb *verb = find_verb(name, invocation.twin);
  invocation.verb = name;
  int code = verb ? verb->run(&invocation) : no_such_verb(name, invocation.twin);
  g_free(invocation.name);
  g_free(invocation.output);
  g_free(invocation.file);
  g_free(invocation.junit);
  g_free(invocation.config);
  g_free(invocation.root);
  g_free(invocation.uplink);
  g_free(invocation.subnet);
  g_free(invocation.lab_name);
  return code;
}

/* Our text is UTF-8 whatever the locale says: GLib would put "?" for what ASCII lacks. */
static void print_out(const char *text) {
  fputs(text, stdout);
}

static void print_err(const char *text) {
  fputs(text, stderr);
}

int main(int argc, char **argv) {
  g_set_print_handler(print_out);
  g_set_printerr_handler(print_err);
  /* dhcpcd calls us back by this name when a lease changes */
  g_autofree char *self = g_path_get_basename(argv[0]);
  if (g_str_equal(self, "lanward-dhcp-hook"))
    return lw_dhcp_hook_main();
  if (argc == 2 &&
      (g_str_equal(argv[1], "--help") || g_str_equal(argv[1], "-h") || g_str_equal(argv[1], "help"))) {
    print_help();
    return LW_EXIT_OK;
  }
  if (argc == 2 && g_str_equal(argv[1], "--version")) {
    g_print("lanward %s\n", LW_VERSION);
    return LW_EXIT_OK;
  }
  return run(argc, argv);
}
