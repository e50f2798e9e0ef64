/* A lab's file changed in one place: the rest of it stays, byte for byte. */
#include "base/error.h"
#include "spec/edit.h"
#include "spec/spec.h"

#include <glib/gstdio.h>
#include <string.h>

#define HEAD                                                                                                 \
  "lab: t\n"                                                                                                 \
  "host: {uplink: eth0}\n"                                                                                   \
  "segments:\n"                                                                                              \
  "  lan10: {subnet: 192.168.10.0/24, dhcp: .200-.240}  # the first\n"                                       \
  "  lan20: {subnet: 192.168.20.0/24, dhcp: .200-.240}\n"

static void check_place(const char *before, const char *machine, guint nic, const char *segment,
                        const char *after) {
  g_autoptr(GError) error = NULL;
  g_autofree char *out = lw_spec_edit_place(before, "lab.yaml", machine, nic, segment, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(out, ==, after);
}

static void test_place(void) {
  check_place(HEAD "machines:\n  # é\n  a: {segment: lan10, address: .5} # kept\n", "a", 0, "lan20",
              HEAD "machines:\n  # é\n  a: {segment: lan20, address: .5} # kept\n");
  check_place(HEAD "machines:\n  a:\n    segment: \"lan10\"\n  b: {segment: lan10}\n", "a", 0, "lan20",
              HEAD "machines:\n  a:\n    segment: lan20\n  b: {segment: lan10}\n");
  check_place(HEAD "machines: {a: {address: .5, segment: lan10}}\n", "a", 0, "no",
              HEAD "machines: {a: {address: .5, segment: \"no\"}}\n");
  check_place(HEAD "machines:\n  a: {nics: [{segment: lan10}, {segment: lan20}]}\n", "a", 1, "lan10",
              HEAD "machines:\n  a: {nics: [{segment: lan10}, {segment: lan10}]}\n");
  check_place("\xef\xbb\xbf" HEAD "machines:\n  é: {}\n  a: {segment: 'lan10'}", "a", 0, "lan20",
              "\xef\xbb\xbf" HEAD "machines:\n  é: {}\n  a: {segment: lan20}");
}

static void check_refused(const char *before, const char *machine, guint nic, const char *says) {
  g_autoptr(GError) error = NULL;
  g_autofree char *out = lw_spec_edit_place(before, "lab.yaml", machine, nic, "lan20", &error);
  g_assert_null(out);
  g_assert_nonnull(error);
  if (!strstr(error->message, says))
    g_error("“%s” does not say “%s”", error->message, says);
}

static void test_place_refused(void) {
  check_refused(HEAD "machines:\n  a: {address: .5}\n", "a", 0, "say “segment: lan20” for a");
  check_refused(HEAD "machines:\n  a: {segment: lan10}\n", "b", 0, "no machine “b”");
  check_refused(HEAD "machines:\n  a: {segment: lan10}\n", "a", 1, "lab.yaml:7");
  check_refused(HEAD "machines:\n  a: {segment: \"lan\\x310\"}\n", "a", 0, "left to you");
  check_refused("[", "a", 0, "lanward check");
}

#define SEGMENTS "lab: t\nhost: {uplink: eth0}\nsegments:\n"

static LwEdits *edits_of(const char *before) {
  g_autoptr(GError) error = NULL;
  g_autofree char *text = g_strconcat(SEGMENTS, before, NULL);
  LwEdits *edits = lw_edits_new(text, "lab.yaml", &error);
  g_assert_no_error(error);
  return edits;
}

/* after: the segments then; NULL: it was refused, and nothing of the text has changed. Takes edits, error. */
static void check_edited(LwEdits *edits, gboolean made, GError *error, const char *before,
                         const char *after) {
  g_autofree char *expected = g_strconcat(SEGMENTS, after ? after : before, NULL);
  g_autofree char *out = lw_edits_text(edits, NULL);
  g_assert_true(made == (after != NULL));
  g_assert_true((error == NULL) == made);
  g_assert_cmpstr(out, ==, expected);
  lw_edits_free(edits);
  g_clear_error(&error);
}

static void check_allow(const char *segment, gboolean by_host, const char *allow, const char *before,
                        const char *after) {
  const char *const own[] = {"segments", segment, "allow", NULL};
  const char *const hosts[] = {"segments", segment, "host", "allow", NULL};
  g_autoptr(GPtrArray) items = g_ptr_array_new();
  g_ptr_array_add(items, (gpointer)allow);
  GError *error = NULL;
  LwEdits *edits = edits_of(before);
  gboolean made = lw_edits_add_items(edits, by_host ? hosts : own, items, &error);
  check_edited(edits, made, error, before, after);
}

/* A line more among those that there are, however they are written, and a first one. */
static void test_allow(void) {
  check_allow("a", FALSE, "host/ping", "  a: {subnet: x, allow: [b, \"c:tcp/1\"]} # kept\n",
              "  a: {subnet: x, allow: [b, \"c:tcp/1\", host/ping]} # kept\n");
  check_allow("a", FALSE, "c:tcp/1", "  a:\n    allow: []\n    dns: x\n",
              "  a:\n    allow: [\"c:tcp/1\"]\n    dns: x\n");
  check_allow("a", FALSE, "d", "  a:\n    allow: 'b'\n", "  a:\n    allow: ['b', d]\n");
  check_allow("a", FALSE, "d", "  a:\n    allow:\n      - b\n      - c  # why\n  e: {}\n",
              "  a:\n    allow:\n      - b\n      - c  # why\n      - d\n  e: {}\n");
  check_allow("a", FALSE, "d", "  a:\n    subnet: x\n    dns:\n      - y\n\n  # of e\n  e: {}\n",
              "  a:\n    subnet: x\n    dns:\n      - y\n    allow: [d]\n\n  # of e\n  e: {}\n");
  check_allow("a", FALSE, "d", "  a: {subnet: x}\n", "  a: {subnet: x, allow: [d]}\n");
  check_allow("a", TRUE, "d", "  a: {subnet: x}\n", "  a: {subnet: x, host: {allow: [d]}}\n");
  check_allow("a", TRUE, "d", "  a:\n    host: {allow: [b]}\n", "  a:\n    host: {allow: [b, d]}\n");
  check_allow("a", TRUE, "d", "  a:\n    host:\n      allow: [b]\n",
              "  a:\n    host:\n      allow: [b, d]\n");
  check_allow("a", TRUE, "d", "  a: {}\n", "  a: {host: {allow: [d]}}\n");
  check_allow("a", FALSE, "d", "  a: {allow: {b: c}}\n", NULL);
  check_allow("a", FALSE, "d", "  a: {allow: [\"\\x62\"]}\n", NULL);
}

static void check_drop(guint line, guint column, const char *before, const char *after) {
  GError *error = NULL;
  LwOrigin origin = {"lab.yaml", line, column};
  LwEdits *edits = edits_of(before);
  gboolean made = lw_edits_drop_item(edits, &origin, &error);
  check_edited(edits, made, error, before, after);
}

/* With the last item goes its key, unless nothing would be left of what that stands in. */
static void test_drop_item(void) {
  check_drop(4, 15, "  a: {allow: [b, c, d]}\n", "  a: {allow: [c, d]}\n");
  check_drop(4, 18, "  a: {allow: [b, c, d]}\n", "  a: {allow: [b, d]}\n");
  check_drop(4, 18, "  a: {allow: [b, 'c' ]} # kept\n", "  a: {allow: [b]} # kept\n");
  check_drop(4, 15, "  a: {allow: [b], dns: x}\n", "  a: {dns: x}\n");
  check_drop(4, 23, "  a: {dns: x, allow: [{b: \"}\", c: [1, 2]}]}\n", "  a: {dns: x}\n");
  check_drop(4, 14, "  a: {allow: b, dns: x}\n", "  a: {dns: x}\n");
  check_drop(6, 9, "  a:\n    allow:\n      - b # why\n      - c\n", "  a:\n    allow:\n      - c\n");
  check_drop(7, 9, "  a:\n    allow:\n      - b\n      - c", "  a:\n    allow:\n      - b\n");
  check_drop(6, 9, "  a:\n    allow:\n      - b\n    dns: x\n", "  a:\n    dns: x\n");
  check_drop(6, 9, "  a:\n    allow:\n      - b\n", NULL);
  check_drop(6, 9, "  a:\n    forward:\n      - port: 1\n        to: b\n      - c\n", NULL);
  check_drop(4, 16, "  a: {allow: [b]}\n", NULL);
}

static void check_set(const char *key, const char *value, const char *before, const char *after) {
  const char *const path[] = {"segments", "a", key, NULL};
  GError *error = NULL;
  LwEdits *edits = edits_of(before);
  gboolean made = value ? lw_edits_set(edits, path, value, &error) : lw_edits_drop(edits, path, &error);
  check_edited(edits, made, error, before, after);
}

/* Keys, whatever their values look like. */
static void test_set(void) {
  check_set("egress", "none", "  a:\n    egress: [se, # first\n      de]\n    dns: x\n",
            "  a:\n    egress: none\n    dns: x\n");
  check_set("egress", "none", "  a:\n    egress:\n      - se\n      - de\n    # of dns\n    dns: x\n",
            "  a:\n    egress: none\n    # of dns\n    dns: x\n");
  check_set("egress", "none", "  a:\n    egress: 'se' # why\n", "  a:\n    egress: none # why\n");
  check_set("egress", "none", "  a:\n    dns: x", "  a:\n    dns: x\n    egress: none\n");
  check_set("egress", "none", "  a: {dns: \"a}, b\"}\n", "  a: {dns: \"a}, b\", egress: none}\n");
  check_set("egress", "none", "  a:\n", NULL);
  check_set("egress", "none", "  a:\n    egress: \"\\x62\"\n", NULL);
  check_set("pin", NULL, "  a:\n    pin:\n      .2: de\n      .3: us\n    dns: x\n", "  a:\n    dns: x\n");
  check_set("pin", NULL, "  a: {dns: x, pin: {.2: de}}\n", "  a: {dns: x}\n");
  check_set("pin", NULL, "  a: {pin: {.2: de}, dns: x}\n", "  a: {dns: x}\n");
  check_set("pin", NULL, "  a:\n    pin: {.2: de}\n", NULL);
  check_set("pin", NULL, "  a:\n    dns: x\n", NULL);
}

/* Several at once: each place is that of the text as it was. */
static void test_together(void) {
  const char *before =
      "  a:\n    trust: host\nmachines:\n  m: {segment: a}\nassert:\n  - deny b\n  - deny c\n";
  const char *const trust[] = {"segments", "a", "trust", NULL}, *const allow[] = {"segments", "a", "allow",
                                                                                  NULL};
  const char *const dns[] = {"segments", "a", "dns", NULL};
  g_autoptr(GPtrArray) items = g_ptr_array_new();
  g_ptr_array_add(items, (gpointer) "host:any");
  g_ptr_array_add(items, (gpointer) "c d");
  g_autoptr(GError) error = NULL;
  g_autoptr(LwEdits) edits = edits_of(before);
  const LwOrigin first = {"lab.yaml", 9, 5}, second = {"lab.yaml", 10, 5};
  g_assert_true(lw_edits_has(edits, trust));
  g_assert_false(lw_edits_has(edits, dns));
  g_assert_true(lw_edits_replace_item(edits, &second, NULL, "deny c icmp, tcp", &error));
  g_assert_true(lw_edits_set(edits, trust, "none", &error));
  g_assert_true(lw_edits_set_address(edits, "m", 0, ".7", &error));
  g_assert_true(lw_edits_add_items(edits, allow, items, &error));
  guint mark = lw_edits_mark(edits);
  g_assert_true(lw_edits_set(edits, trust, "host", &error));
  g_autofree char *twice = lw_edits_text(edits, &error);
  g_assert_null(twice); /* one place, two values */
  g_assert_error(error, LW_ERROR, LW_ERROR_SPEC);
  g_clear_error(&error);
  lw_edits_back_to(edits, mark);
  g_assert_true(lw_edits_drop_item(edits, &first, &error));
  g_autofree char *out = lw_edits_text(edits, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(out, ==,
                  SEGMENTS "  a:\n    trust: none\n    allow: [\"host:any\", c d]\nmachines:\n"
                           "  m: {segment: a, address: .7}\nassert:\n  - \"deny c icmp, tcp\"\n");
  g_assert_false(lw_edits_set_address(edits, "nobody", 0, ".7", &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_SPEC);
}

/* One value of an item that is a mapping. */
static void test_replace_item(void) {
  const char *before = "  a: {forward: [{port: tcp+udp/1, to: b}]}\n";
  const LwOrigin item = {"lab.yaml", 4, 17};
  GError *error = NULL;
  LwEdits *edits = edits_of(before);
  gboolean made = lw_edits_replace_item(edits, &item, "port", "udp/1", &error);
  check_edited(edits, made, error, before, "  a: {forward: [{port: udp/1, to: b}]}\n");
  edits = edits_of(before);
  made = lw_edits_replace_item(edits, &item, "none", "udp/1", &error);
  check_edited(edits, made, error, before, NULL);
}

static LwMachine *new_machine(LwMachineKind kind, const char *object, const char *address) {
  LwMachine *machine = lw_machine_new();
  LwNic *nic = lw_nic_new();
  machine->name = g_strdup("new");
  machine->kind = kind;
  machine->object = g_strdup(object);
  nic->segment = 0;
  if (address)
    g_assert_true(lw_addr_parse(address, &nic->address));
  g_ptr_array_add(machine->nics, nic);
  return machine;
}

static LwLab *parse(const char *text) {
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
  LwLab *lab = lw_spec_parse(text, strlen(text), "lab.yaml", NULL, 0, secrets, diagnostics);
  for (guint i = 0; !lab && i < diagnostics->len; i++)
    g_error("%s", ((LwDiagnostic *)diagnostics->pdata[i])->message);
  return lab;
}

/* Takes the machine. */
static void check_added(const char *before, LwMachine *machine, const char *after) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwLab) lab = parse(before);
  g_autofree char *out = lw_spec_edit_add_machine(before, "lab.yaml", lab, machine, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(out, ==, after);
  g_autoptr(LwLab) changed = parse(out);
  const LwMachine *made = lw_lab_machine(changed, lw_lab_find_machine(changed, "new"));
  g_assert_cmpuint(changed->machines->len, ==, lab->machines->len + 1);
  g_assert_cmpstr(made->object, ==, machine->object);
  g_assert_true(made->kind == machine->kind);
  g_assert_cmpuint(made->nics->len, ==, machine->nics->len);
  g_ptr_array_add(lab->machines, machine);
}

static void test_add(void) {
  check_added(HEAD, new_machine(LW_MACHINE_VM, "new", NULL), HEAD "\nmachines:\n  new: {segment: lan10}\n");
  check_added(
      HEAD "machines:\n    a: {segment: lan10}\n    # behind a\n\nassert:\n  - deny lan10 -> lan20\n",
      new_machine(LW_MACHINE_VM, "My VM", "192.168.10.5"),
      HEAD "machines:\n    a: {segment: lan10}\n    new: {vm: My VM, segment: lan10, address: 192.168.10.5}\n"
           "    # behind a\n\nassert:\n  - deny lan10 -> lan20\n");
  check_added(
      HEAD
      "machines:\n  a:\n    nics:\n    - segment: lan10\n    # of it\n    - segment: lan20\n\nmanage: host\n",
      new_machine(LW_MACHINE_CONTAINER, "new", NULL),
      HEAD "machines:\n  a:\n    nics:\n    - segment: lan10\n    # of it\n    - segment: lan20\n"
           "  new: {container: new, segment: lan10}\n\nmanage: host\n");
  check_added(HEAD "machines: {a: {segment: lan10}}\n", new_machine(LW_MACHINE_VM, "new", NULL),
              HEAD "machines: {new: {segment: lan10}, a: {segment: lan10}}\n");
  check_added(HEAD "machines: {}", new_machine(LW_MACHINE_VM, "new", NULL),
              HEAD "machines: {new: {segment: lan10}}");
  check_added(HEAD "machines: # none yet\n", new_machine(LW_MACHINE_VM, "new", NULL),
              HEAD "machines: # none yet\n  new: {segment: lan10}\n");
  check_added(HEAD "machines:\n  a: {segment: lan10}", new_machine(LW_MACHINE_VM, "new", NULL),
              HEAD "machines:\n  a: {segment: lan10}\n  new: {segment: lan10}\n");
}

static void test_add_several_cards(void) {
  LwMachine *machine = new_machine(LW_MACHINE_VM, "new", NULL);
  LwNic *second = lw_nic_new();
  second->segment = 1;
  g_ptr_array_add(machine->nics, second);
  check_added(HEAD, machine, HEAD "\nmachines:\n  new: {nics: [{segment: lan10}, {segment: lan20}]}\n");
}

/* Whether a change would be right is asked before a byte of it is written. */
static void test_load_changed(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp("lw-edit-XXXXXX", &error);
  g_assert_no_error(error);
  g_autofree char *path = g_build_filename(folder, "lab.yaml", NULL);
  g_autofree char *more = g_build_filename(folder, "more.yaml", NULL);
  g_file_set_contents(path, HEAD "include: more.yaml\n", -1, &error);
  g_file_set_contents(more, "machines:\n  a: {segment: lan10}\n", -1, &error);
  g_assert_no_error(error);
  static const struct {
    const char *text;
    gboolean right;
  } cases[] = {{"machines:\n  a: {segment: lan20}\n", TRUE}, {"machines:\n  a: {segment: lan77}\n", FALSE}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
    g_autoptr(LwSecretStore) secrets = lw_secret_store_new(NULL);
    g_autoptr(LwLab) lab = lw_spec_load_changed(path, more, cases[i].text, 0, secrets, diagnostics);
    g_assert_true((lab != NULL) == cases[i].right);
    if (lab)
      g_assert_cmpstr(lw_lab_segment(lab, lw_machine_nic(lw_lab_machine(lab, 0), 0)->segment)->name, ==,
                      "lan20");
  }
  g_remove(path);
  g_remove(more);
  g_rmdir(folder);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/spec/edit/place", test_place);
  g_test_add_func("/spec/edit/allow", test_allow);
  g_test_add_func("/spec/edit/drop-item", test_drop_item);
  g_test_add_func("/spec/edit/set", test_set);
  g_test_add_func("/spec/edit/together", test_together);
  g_test_add_func("/spec/edit/replace-item", test_replace_item);
  g_test_add_func("/spec/edit/place-refused", test_place_refused);
  g_test_add_func("/spec/edit/add", test_add);
  g_test_add_func("/spec/edit/add-several-cards", test_add_several_cards);
  g_test_add_func("/spec/edit/load-changed", test_load_changed);
  return g_test_run();
}
