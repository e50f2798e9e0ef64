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

static void check_allow(const char *segment, gboolean by_host, const char *allow, const char *before,
                        const char *after) {
  const char *head = "lab: t\nhost: {uplink: eth0}\nsegments:\n";
  g_autofree char *text = g_strconcat(head, before, NULL);
  g_autofree char *expected = after ? g_strconcat(head, after, NULL) : NULL;
  g_autoptr(GError) error = NULL;
  g_autofree char *out = lw_spec_edit_allow(text, "lab.yaml", segment, by_host, allow, &error);
  g_assert_cmpstr(out, ==, expected);
  g_assert_true((error == NULL) == (after != NULL));
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
  check_allow("a", FALSE, "d", "  a: {subnet: x}\n", "  a: {allow: [d], subnet: x}\n");
  check_allow("a", TRUE, "d", "  a: {subnet: x}\n", "  a: {host: {allow: [d]}, subnet: x}\n");
  check_allow("a", TRUE, "d", "  a:\n    host: {allow: [b]}\n", "  a:\n    host: {allow: [b, d]}\n");
  check_allow("a", TRUE, "d", "  a:\n    host:\n      allow: [b]\n",
              "  a:\n    host:\n      allow: [b, d]\n");
  check_allow("b", FALSE, "d", "  a: {}\n", NULL);
  check_allow("a", FALSE, "d", "  a: {allow: {b: c}}\n", NULL);
  check_allow("a", FALSE, "d", "  a: {allow: [\"\\x62\"]}\n", NULL);
}

static void check_drop(guint line, guint column, const char *before, const char *after) {
  const char *head = "lab: t\nhost: {uplink: eth0}\nsegments:\n";
  g_autofree char *text = g_strconcat(head, before, NULL);
  g_autofree char *expected = after ? g_strconcat(head, after, NULL) : NULL;
  g_autoptr(GError) error = NULL;
  LwOrigin origin = {"lab.yaml", line, column};
  g_autofree char *out = lw_spec_edit_drop_allow(text, "lab.yaml", "a", FALSE, &origin, &error);
  g_assert_cmpstr(out, ==, expected);
  g_assert_true((error == NULL) == (after != NULL));
}

static void test_drop_allow(void) {
  check_drop(4, 15, "  a: {allow: [b, c, d]}\n", "  a: {allow: [c, d]}\n");
  check_drop(4, 18, "  a: {allow: [b, c, d]}\n", "  a: {allow: [b, d]}\n");
  check_drop(4, 18, "  a: {allow: [b, 'c' ]} # kept\n", "  a: {allow: [b]} # kept\n");
  check_drop(4, 15, "  a: {allow: [b]}\n", "  a: {allow: []}\n");
  check_drop(6, 9, "  a:\n    allow:\n      - b # why\n      - c\n", "  a:\n    allow:\n      - c\n");
  check_drop(7, 9, "  a:\n    allow:\n      - b\n      - c", "  a:\n    allow:\n      - b\n");
  check_drop(6, 9, "  a:\n    allow:\n      - b\n", NULL);
  check_drop(4, 16, "  a: {allow: [b]}\n", NULL);
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
  g_test_add_func("/spec/edit/drop-allow", test_drop_allow);
  g_test_add_func("/spec/edit/place-refused", test_place_refused);
  g_test_add_func("/spec/edit/add", test_add);
  g_test_add_func("/spec/edit/add-several-cards", test_add_several_cards);
  g_test_add_func("/spec/edit/load-changed", test_load_changed);
  return g_test_run();
}
