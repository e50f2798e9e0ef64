/* The command line: one file a verb. Only src/cmd prints and exits. */
#pragma once

#include "cmd/target.h"
#include "doctor/seen.h"
#include "model/model.h"
#include "spec/spec.h"

#include <glib.h>
#include <json-glib/json-glib.h>

#define LW_FORMAT_VERSION "1.0"
#define LW_DEFAULT_FILE "/etc/lanward/lab.yaml"

/* Exit codes (docs/errors.md). */
enum {
  LW_EXIT_OK = 0,
  LW_EXIT_ERROR = 1,
  LW_EXIT_CHANGES = 2,
  LW_EXIT_VIOLATION = 3,
  LW_EXIT_ROLLED_BACK = 4,
};

typedef struct {
  gboolean twin;
  const char *verb;
  GPtrArray *args; /* of const char*: what is neither option nor verb, NULL-terminated */
  gboolean json, quiet, verbose, colour;
  char *name;                       /* of the twin */
  char *output;                     /* -o */
  char *file;                       /* --file */
  guint confirm_seconds;            /* --confirm; 0: none */
  gboolean no_wait;                 /* --no-wait */
  gboolean history;                 /* --history */
  gboolean statically, live;        /* verify: this half; neither: both */
  char *junit;                      /* verify: write it there */
  char *root;                       /* doctor, init, import: look below it */
  char *uplink, *subnet, *lab_name; /* init, import: what is not to be found out */
  gboolean yes;                     /* ask nothing */
  gboolean force;                   /* apply, down: made machines that do not shut down lose their power */
  gboolean reset;                   /* apply, plan: what was switched and moved goes back to the file */
  gboolean persist;                 /* move: into the file, too */
  char *config;                     /* --config: an OPNsense's config.xml */
} LwInvocation;

typedef int (*LwVerbRun)(const LwInvocation *invocation);

typedef struct {
  const char *name;
  LwVerbRun run;
  gboolean on_twin, on_host;
  const char *arguments; /* for help */
  const char *summary;
} LwVerb;

const LwVerb *lw_verbs(void); /* ends in a NULL name */

/* Prints "lanward: MESSAGE" to stderr; returns the exit code that fits the error. */
int lw_fail(const GError *error);
int lw_fail_text(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* Prints {"format_version":…, members of object…}. Takes the object. */
void lw_print_json(JsonObject *object);

/* Loads a spec and prints its diagnostics to stderr; NULL when there were errors (already printed). */
LwLab *lw_load_spec(const LwInvocation *invocation, const char *path, LwSpecFlags flags,
                    LwSecretStore *secrets);
/* The same for a file that is to be put in force: its asserts must hold too. */
LwLab *lw_load_asserted_spec(const LwInvocation *invocation, const char *path, LwSpecFlags flags,
                             LwSecretStore *secrets);

/* Prints what was found in a file, as it is asked for; whether there is a lab. */
gboolean lw_report_lab(const LwInvocation *invocation, const LwLab *lab /* nullable */,
                       const GPtrArray *diagnostics);

int lw_check_main(const LwInvocation *invocation);
int lw_diagram_main(const LwInvocation *invocation);
int lw_opnsense_main(const LwInvocation *invocation);
int lw_adopt_main(const LwInvocation *invocation);
int lw_apply_main(const LwInvocation *invocation);
int lw_block_main(const LwInvocation *invocation);
int lw_boot_main(const LwInvocation *invocation);
int lw_audit_main(const LwInvocation *invocation);
int lw_doctor_main(const LwInvocation *invocation);
int lw_import_main(const LwInvocation *invocation);
int lw_confirm_main(const LwInvocation *invocation);
int lw_rollback_main(const LwInvocation *invocation);
int lw_recover_main(const LwInvocation *invocation);
int lw_plan_main(const LwInvocation *invocation);
int lw_status_main(const LwInvocation *invocation);
int lw_verify_main(const LwInvocation *invocation);
int lw_explain_main(const LwInvocation *invocation);
int lw_init_main(const LwInvocation *invocation);
/* The half of import that reads --config. */
int lw_import_config(const LwInvocation *invocation);
/* This machine's containers into what was seen of it; notes (of char*): those that no segment can have. */
void lw_import_look_for_containers(LwSeen *seen, GPtrArray *notes);
int lw_edit_main(const LwInvocation *invocation);
int lw_exec_main(const LwInvocation *invocation);
int lw_move_main(const LwInvocation *invocation);
int lw_start_main(const LwInvocation *invocation);
int lw_stop_main(const LwInvocation *invocation);
int lw_switch_main(const LwInvocation *invocation);
int lw_cut_main(const LwInvocation *invocation);
int lw_heal_main(const LwInvocation *invocation);
int lw_drops_main(const LwInvocation *invocation);
int lw_watch_main(const LwInvocation *invocation);
int lw_down_main(const LwInvocation *invocation);
int lw_list_main(const LwInvocation *invocation);
int lw_probe_main(const LwInvocation *invocation);
