/* What every provider owes the engine, of the host's real NetworkManager: in the world of
 * tests/tools/nm_world. */
#include "base/error.h"
#include "base/process.h"
#include "plan/plan.h"
#include "providers/kernel/ports.h"
#include "providers/networkmanager/networkmanager.h"
#include "tests/contract/networkmanager/wanted.h"

#include <json-glib/json-glib.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const LwProviderContext context = {.owner = LW_TEST_OWNER, .host = TRUE};

static LwAddr addr(const char *text) {
  LwAddr out = LW_ADDR_NONE;
  g_assert_true(lw_addr_parse(text, &out));
  return out;
}

static char *run(const char *const *argv) {
  g_autoptr(GError) error = NULL;
  LwCommand command = {.argv = argv};
  char *out = lw_command_run(&command, &error);
  g_assert_no_error(error);
  return g_strchomp(out);
}

#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

/* One word of `ip -j`'s first object. */
static char *link_word(const char *link, const char *word) {
  LwCommand command = {.argv = (const char *const[]){"ip", "-j", "-d", "link", "show", link, NULL}};
  g_autofree char *out = lw_command_run(&command, NULL);
  g_autoptr(JsonNode) root = out ? json_from_string(out, NULL) : NULL;
  if (!root)
    return NULL;
  JsonObject *object = json_array_get_object_element(json_node_get_array(root), 0);
  return g_strdup(json_object_get_string_member_with_default(object, word, ""));
}

static char *addresses(const char *link) {
  g_autofree char *out = RUN("ip", "-br", "-4", "address", "show", link);
  g_auto(GStrv) words = g_strsplit_set(out, " ", -1);
  GString *all = g_string_new(NULL);
  for (guint i = 0; words[i]; i++)
    if (strchr(words[i], '/'))
      g_string_append_printf(all, "%s%s", all->len ? " " : "", words[i]);
  return g_string_free(all, FALSE);
}

static gboolean home_answers(void) {
  LwCommand command = {.argv = (const char *const[]){"ping", "-q", "-c1", "-W1", "192.168.1.1", NULL}};
  g_autofree char *out = lw_command_run(&command, NULL);
  return out != NULL;
}

#define ASSERT_WORD(link, word, expected)                                                                    \
  G_STMT_START {                                                                                             \
    g_autofree char *is_ = link_word(link, word);                                                            \
    g_assert_cmpstr(is_, ==, expected);                                                                      \
  }                                                                                                          \
  G_STMT_END

#define ASSERT_ADDRESSES(link, expected)                                                                     \
  G_STMT_START {                                                                                             \
    g_autofree char *are_ = addresses(link);                                                                 \
    g_assert_cmpstr(are_, ==, expected);                                                                     \
  }                                                                                                          \
  G_STMT_END

/* --- the engine's part
 * ------------------------------------------------------------------------------------------ */

static gboolean keep_undo(const LwProvider *provider, GBytes *undo, gpointer data, GError **error) {
  g_ptr_array_add(data, g_bytes_ref(undo));
  return TRUE;
}

static LwPlan *plan_of(LwProvider *provider, const LwResourceSet *wanted, const LwResourceSet *owned) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  g_assert_true(lw_provider_observe(provider, wanted, owned, seen, &error));
  g_assert_no_error(error);
  return lw_plan_diff(wanted, seen, owned);
}

static gboolean carry_out(LwProvider *provider, const LwPlan *plan, GPtrArray *undos, GError **error) {
  for (guint i = 0; i < plan->steps->len; i++) {
    const LwPlanStep *step = plan->steps->pdata[i];
    if (!lw_provider_check(provider, step->changes, error) ||
        !lw_provider_carry_out(provider, step->changes, keep_undo, undos, NULL, NULL, error))
      return FALSE;
  }
  return TRUE;
}

static GPtrArray *undos_new(void) {
  return g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
}

/* By a provider that knows nothing of what was done, twice. */
static void undo_all(GPtrArray *undos) {
  for (int round = 0; round < 2; round++) {
    g_autoptr(LwProvider) other = lw_networkmanager_provider_new(&context, NULL);
    for (guint i = undos->len; i > 0; i--) {
      g_autoptr(GError) error = NULL;
      lw_provider_undo(other, undos->pdata[i - 1], NULL, NULL, &error);
      g_assert_no_error(error);
    }
  }
}

static void make(LwProvider *provider, const LwResourceSet *wanted, const LwResourceSet *owned,
                 GPtrArray *undos) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwPlan) plan = plan_of(provider, wanted, owned);
  g_assert_false(lw_plan_is_empty(plan));
  carry_out(provider, plan, undos, &error);
  g_assert_no_error(error);
  g_autoptr(LwPlan) again = plan_of(provider, wanted, owned);
  if (!lw_plan_is_empty(again)) {
    g_autofree char *text = lw_plan_format(again, FALSE);
    g_error("not as wanted: %s", text);
  }
}

/* Everything of NetworkManager's that a person can look up, and the files that it has. */
static char *state(void) {
  return RUN(
      "sh", "-c",
      "nmcli -g NAME,UUID,TYPE,AUTOCONNECT,ACTIVE,DEVICE connection show | sort; "
      "cd /etc/NetworkManager/system-connections && for f in *; do echo $f; grep -v ^timestamp $f; done; "
      "ip -br link | sed 's/@.*//' | sort; ip -4 -br address; ip route");
}

/* --- the tests
 * -------------------------------------------------------------------------------------------------- */

static void test_look(void) {
  g_autoptr(GError) error = NULL;
  g_auto(LwNmUplink) by_name = {0}, by_mac = {0}, none = {0};
  LwMac mac;
  g_assert_true(lw_mac_parse("52:54:00:00:01:01", &mac));
  g_assert_true(lw_nm_look("enp1s0", LW_MAC_NONE, &by_name, &error));
  g_assert_no_error(error);
  g_assert_true(by_name.running && by_name.managed && by_name.ethernet && !by_name.ours);
  g_assert_cmpstr(by_name.profile_name, ==, "home");
  g_assert_true(lw_mac_equal(&by_name.mac, &mac));
  g_assert_cmpstr(by_name.client_id, ==, "01:52:54:00:00:01:01");
  LwAddr gateway = addr("192.168.1.1");
  g_assert_true(lw_addr_equal(&by_name.gateway, &gateway));
  g_assert_true(lw_nm_look(NULL, mac, &by_mac, &error));
  g_assert_cmpstr(by_mac.link, ==, "enp1s0");
  g_assert_true(lw_nm_look("enp9s0", LW_MAC_NONE, &none, &error));
  g_assert_null(none.link);
}

static void test_uplink(void) {
  g_autoptr(LwProvider) provider = lw_networkmanager_provider_new(&context, NULL);
  g_autoptr(LwResourceSet) wanted = lw_test_uplink(), nothing = lw_resource_set_new();
  g_autoptr(GPtrArray) undos = undos_new(), backs = undos_new();
  g_autofree char *before = state();
  make(provider, wanted, NULL, undos);
  ASSERT_ADDRESSES("br0", "192.168.1.20/24");
  ASSERT_ADDRESSES("enp1s0", "");
  ASSERT_WORD("br0", "address", "52:54:00:00:01:01");
  ASSERT_WORD("enp1s0", "master", "br0");
  g_assert_true(home_answers());
  g_autofree char *kept = RUN("nmcli", "-g", "connection.autoconnect", "connection", "show", "home");
  g_assert_cmpstr(kept, ==, "yes"); /* the port's priority is what wins at boot */
  make(provider, nothing, wanted, backs);
  g_autofree char *after = state();
  g_assert_cmpstr(before, ==, after);
  g_assert_true(home_answers());
  undo_all(backs); /* and there it is again */
  ASSERT_ADDRESSES("br0", "192.168.1.20/24");
  undo_all(undos);
  g_autofree char *last = state();
  g_assert_cmpstr(before, ==, last);
}

static void test_management(void) {
  g_autoptr(LwProvider) provider = lw_networkmanager_provider_new(&context, NULL);
  g_autoptr(LwResourceSet) few = lw_test_management(2), more = lw_test_management(5);
  g_autoptr(GPtrArray) undos = undos_new(), lives = undos_new();
  g_autofree char *before = state();
  make(provider, few, NULL, undos);
  ASSERT_ADDRESSES("br-mgmt", "192.168.99.15/24");
  g_free(RUN("sh", "-c",
             "ip link add tap0 type veth peer name tap0x && ip link set tap0 master br-mgmt up && "
             "ip link set tap0x up"));
  make(provider, more, NULL, lives);
  ASSERT_WORD("tap0", "master", "br-mgmt");
  g_autofree char *routes = RUN("sh", "-c", "ip route show dev br-mgmt | grep -c 'via 192.168.99.1'");
  g_assert_cmpstr(routes, ==, "5");
  undo_all(lives);
  g_autofree char *fewer = RUN("sh", "-c", "ip route show dev br-mgmt | grep -c 'via 192.168.99.1'");
  g_assert_cmpstr(fewer, ==, "2");
  ASSERT_WORD("tap0", "master", "br-mgmt");
  g_free(RUN("ip", "link", "delete", "tap0"));
  undo_all(undos);
  g_autofree char *after = state();
  g_assert_cmpstr(before, ==, after);
}

/* Somebody activates the profile again, as a desktop's "connect" does: what was plugged in falls off, and is
 * put back.
 */
static void test_knocked_off(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwProvider) provider = lw_networkmanager_provider_new(&context, NULL);
  g_autoptr(LwResourceSet) wanted = lw_test_management(1);
  g_autoptr(GPtrArray) undos = undos_new(), told = g_ptr_array_new_with_free_func(g_free);
  make(provider, wanted, NULL, undos);
  g_free(RUN("sh", "-c",
             "ip link add tap0 type veth peer name tap0x && ip link set tap0 master br-mgmt up && "
             "ip link set tap0x up"));
  const char *const bridges[] = {"br0", "br-mgmt", NULL};
  g_autoptr(LwPortKeeper) keeper = lw_port_keeper_new(bridges, &error);
  g_assert_no_error(error);
  g_free(RUN("nmcli", "connection", "up", "lanward-br-mgmt"));
  ASSERT_WORD("tap0", "master", "");
  for (int i = 0; i < 100 && told->len == 0; i++) {
    struct pollfd watched = {.fd = lw_port_keeper_fd(keeper), .events = POLLIN};
    int due = lw_port_keeper_due(keeper);
    (void)poll(&watched, 1, due < 0 ? 100 : due);
    lw_port_keeper_look(keeper, told, &error);
    g_assert_no_error(error);
  }
  g_assert_cmpuint(told->len, ==, 1);
  g_assert_cmpstr(told->pdata[0], ==, "tap0 on br-mgmt");
  ASSERT_WORD("tap0", "master", "br-mgmt");
  g_free(RUN("ip", "link", "delete", "tap0"));
  undo_all(undos);
}

/* Nobody answers DHCP any more. */
static void break_home(void) {
  g_free(RUN("ip", "netns", "exec", "home", "nft",
             "table inet broken { chain in { type filter hook input priority 0; udp dport 67 drop; }; }"));
}

static void mend_home(void) {
  g_free(RUN("ip", "netns", "exec", "home", "nft", "delete table inet broken"));
}

/* The bridge gets no address, and the uplink is put back. */
static void test_broken(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwProvider) provider = lw_networkmanager_provider_new(&context, NULL);
  g_autoptr(LwResourceSet) wanted = lw_test_uplink();
  g_autoptr(GPtrArray) undos = undos_new();
  g_autofree char *before = state();
  g_autoptr(LwPlan) plan = plan_of(provider, wanted, NULL);
  break_home();
  g_assert_false(carry_out(provider, plan, undos, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_FAILED);
  g_assert_nonnull(strstr(error->message, "br0 got no address"));
  mend_home();
  undo_all(undos);
  ASSERT_ADDRESSES("enp1s0", "192.168.1.20/24");
  g_assert_true(home_answers());
  g_autofree char *after = state();
  g_assert_cmpstr(before, ==, after);
}

/* In the middle of it, with all that works for it: NetworkManager alone is left to put the uplink back, by
 * the checkpoint; what is left of it the undo takes away. */
static void test_killed(void) {
  g_autoptr(LwProvider) provider = lw_networkmanager_provider_new(&context, NULL);
  g_autoptr(LwResourceSet) wanted = lw_test_uplink();
  g_autofree char *before = state();
  g_autoptr(LwPlan) plan = plan_of(provider, wanted, NULL);
  g_autoptr(GPtrArray) undos = undos_new();
  const LwPlanStep *step = plan->steps->pdata[0];
  g_ptr_array_add(undos, lw_undo_from_changes(step->changes));
  break_home();
  pid_t child = fork();
  if (child == 0) {
    setpgid(0, 0);
    (void)carry_out(provider, plan, undos_new(), NULL);
    _exit(0);
  }
  g_autofree char *master = NULL;
  for (int i = 0; i < 500 && g_strcmp0(master, "br0") != 0; i++) {
    g_usleep(10000);
    g_free(master);
    master = link_word("enp1s0", "master");
  }
  g_assert_cmpstr(master, ==, "br0");
  kill(-child, SIGKILL);
  waitpid(child, NULL, 0);
  mend_home();
  for (int i = 0; i < 300 && g_strcmp0(master, "") != 0; i++) {
    g_usleep(100000);
    g_free(master);
    master = link_word("enp1s0", "master");
  }
  for (int i = 0; i < 50 && !home_answers(); i++)
    g_usleep(100000);
  ASSERT_ADDRESSES("enp1s0", "192.168.1.20/24");
  undo_all(undos);
  g_autofree char *after = state();
  g_assert_cmpstr(before, ==, after);
}

/* Before anything is touched. */
static void test_refused(void) {
  g_autoptr(LwProvider) provider = lw_networkmanager_provider_new(&context, NULL);
  g_autoptr(LwResourceSet) wanted = lw_test_uplink();
  g_autoptr(GError) foreign = NULL, unmanaged = NULL, missing = NULL;
  g_autoptr(GPtrArray) undos = undos_new();
  g_autoptr(LwPlan) plan = plan_of(provider, wanted, NULL);
  g_free(RUN("ip", "link", "add", "br0", "type", "bridge"));
  g_usleep(200000); /* NetworkManager hears of it */
  g_assert_false(carry_out(provider, plan, undos, &foreign));
  g_assert_error(foreign, LW_ERROR, LW_ERROR_CONFLICT);
  g_free(RUN("ip", "link", "delete", "br0"));
  g_usleep(200000);
  LwResource *port = wanted->list->pdata[1];
  g_free(port->link);
  port->link = g_strdup("enp9s0");
  g_assert_false(carry_out(provider, plan, undos, &missing));
  g_assert_error(missing, LW_ERROR, LW_ERROR_NOT_FOUND);
  g_assert_cmpuint(undos->len, ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/networkmanager/look", test_look);
  g_test_add_func("/networkmanager/refused", test_refused);
  g_test_add_func("/networkmanager/management", test_management);
  g_test_add_func("/networkmanager/uplink", test_uplink);
  g_test_add_func("/networkmanager/knocked-off", test_knocked_off);
  g_test_add_func("/networkmanager/broken", test_broken);
  g_test_add_func("/networkmanager/killed", test_killed);
  return g_test_run();
}
