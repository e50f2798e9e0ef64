/* The firewall provider through the contract's wrapper, on the real thing in namespaces of this test's:
 * DOCKER-USER by iptables-nft, and, where this is root's machine and it is installed, ufw. */
#include "base/error.h"
#include "base/process.h"
#include "providers/firewall/firewall.h"
#include "providers/firewall/translate.h"

#include "tests/unit/kernel/sandbox.h"

#include <string.h>
#include <sys/mount.h>

static LwProviderContext context = {.run_dir = "/tmp/run", .owner = "lanward:test"};
static LwProvider *provider;
static gboolean has_iptables, has_ufw;

static char *run(const char *line) {
  g_autoptr(GError) error = NULL;
  g_auto(GStrv) argv = g_strsplit(line, " ", -1);
  char *output = lw_command_run(&(LwCommand){.argv = (const char *const *)argv}, &error);
  g_assert_no_error(error);
  return output;
}

static void do_all(const char *const *lines) {
  for (guint i = 0; lines[i]; i++) {
    g_autofree char *output = run(lines[i]);
  }
}

static LwResource *opening(const char *firewall, const char *value) {
  LwResource *r = lw_resource_new(LW_RES_OPENING, NULL, firewall);
  r->link = g_strdup("br-mgmt");
  g_assert_true(lw_prefix_parse("192.168.40.0/24", &r->from));
  g_assert_true(lw_prefix_parse("172.16.0.0/12", &r->to));
  r->value = g_strdup(value);
  r->alias = g_strdup(LW_OPENING_MARK);
  return r;
}

static const LwResource *look(LwResource *like, LwResourceSet *seen) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResourceSet) wanted = lw_resource_set_new();
  lw_resource_set_add(wanted, lw_resource_ref(like));
  g_assert_true(lw_provider_observe(provider, wanted, NULL, seen, &error));
  g_assert_no_error(error);
  g_autofree char *key = lw_resource_key(like);
  return lw_resource_set_find(seen, key);
}

static gboolean is_there(LwResource *like) {
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  return look(like, seen) != NULL;
}

static gboolean keep(const LwProvider *self, GBytes *undo, gpointer data, GError **error) {
  *(GBytes **)data = g_bytes_ref(undo);
  return TRUE;
}

static GPtrArray *change(LwResource *from, LwResource *to) {
  GPtrArray *changes = lw_changes_new();
  g_ptr_array_add(changes, lw_change_new(to ? LW_CHANGE_CREATE : LW_CHANGE_DELETE, from, to));
  return changes;
}

/* Transfer full: its undo. */
static GBytes *carry_out(LwResource *from, LwResource *to) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) changes = change(from, to);
  GBytes *undo = NULL;
  g_assert_true(lw_provider_check(provider, changes, &error));
  g_assert_true(lw_provider_carry_out(provider, changes, keep, &undo, NULL, NULL, &error));
  g_assert_no_error(error);
  return undo;
}

static void take_back(GBytes *undo) {
  g_autoptr(GError) error = NULL;
  g_assert_true(lw_provider_undo(provider, undo, NULL, NULL, &error));
  g_assert_no_error(error);
}

/* Made, made again, taken back, taken back again, made, removed, and its removal taken back: the picture
 * follows. */
static void round_trip(const char *firewall, const char *value, const char *picture) {
  g_autoptr(LwResource) r = opening(firewall, value);
  g_autofree char *before = run(picture);
  g_autoptr(GBytes) made = carry_out(NULL, r);
  g_autofree char *with = run(picture);
  g_assert_cmpstr(with, !=, before);
  g_assert_true(is_there(r));
  g_autoptr(GBytes) again = carry_out(NULL, r);
  g_autofree char *still = run(picture);
  g_assert_cmpstr(still, ==, with);
  take_back(made);
  take_back(made);
  g_autofree char *without = run(picture);
  g_assert_cmpstr(without, ==, before);
  g_assert_false(is_there(r));
  g_autoptr(GBytes) third = carry_out(NULL, r);
  g_autoptr(GBytes) removed = carry_out(r, NULL);
  g_assert_false(is_there(r));
  take_back(removed);
  g_assert_true(is_there(r));
  take_back(third);
  g_autofree char *after = run(picture);
  g_assert_cmpstr(after, ==, before);
}

static void test_docker(void) {
  static const char *const chains[] = {"iptables -N DOCKER-USER",
                                       "iptables -A DOCKER-USER -s 10.9.9.9 -j DROP",
                                       "iptables -A DOCKER-USER -j RETURN", NULL};
  if (!has_iptables) {
    g_test_skip("iptables does not work here");
    return;
  }
  g_assert_false(lw_docker_filters());
  do_all(chains);
  g_assert_false(lw_docker_filters());
  g_autofree char *jump = run("iptables -A FORWARD -j DOCKER-USER");
  g_assert_true(lw_docker_filters());
  round_trip(LW_OPENING_DOCKER, "any", "iptables -S");
  round_trip(LW_OPENING_DOCKER, "tcp/8000-8100", "iptables -S");
  round_trip(LW_OPENING_DOCKER, LW_OPENING_REPLIES, "iptables -S");
}

static void test_ufw(void) {
  if (!has_ufw) {
    g_test_skip("no ufw here, or not root's");
    return;
  }
  g_assert_false(lw_ufw_is_active());
  static const char *const on[] = {"ufw --force enable", "ufw allow 22/tcp comment mine", NULL};
  do_all(on);
  g_assert_true(lw_ufw_is_active());
  round_trip(LW_OPENING_UFW_ROUTE, "tcp/8000-8100", "cat /etc/ufw/user.rules /etc/ufw/user6.rules");
}

static void test_ufw_of_others(void) {
  if (!has_ufw) {
    g_test_skip("no ufw here, or not root's");
    return;
  }
  static const char *const theirs[] = {
      "ufw allow in on br-mgmt from 192.168.40.0/24 to 172.16.0.0/12 port 1 proto tcp comment mine",
      "ufw deny in on br-mgmt from 192.168.40.0/24 to 172.16.0.0/12 port 2 proto tcp", NULL};
  do_all(theirs);
  g_autofree char *before = run("cat /etc/ufw/user.rules");
  g_autoptr(LwResource) allowed = opening(LW_OPENING_UFW, "tcp/1");
  g_autoptr(LwResource) denied = opening(LW_OPENING_UFW, "tcp/2");
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  g_assert_null(look(allowed, seen)->alias);
  g_autoptr(GBytes) made = carry_out(NULL, allowed);
  g_autoptr(GBytes) removed = carry_out(allowed, NULL);
  g_autoptr(GPtrArray) changes = change(NULL, denied);
  g_autoptr(GError) error = NULL;
  g_assert_false(lw_provider_check(provider, changes, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_CONFLICT);
  g_autofree char *after = run("cat /etc/ufw/user.rules");
  g_assert_cmpstr(after, ==, before);
}

static gboolean works(const char *program, const char *option) {
  const char *argv[] = {program, option, NULL};
  g_autofree char *output = lw_command_run(&(LwCommand){.argv = argv}, NULL);
  return output != NULL;
}

/* Its folder is root's: a copy of it, which goes with the namespaces. */
static gboolean prepare_ufw(void) {
  static const char *const copy[] = {"cp", "-r", "/etc/ufw", "/tmp/ufw", NULL};
  g_autofree char *output = lw_command_run(&(LwCommand){.argv = copy}, NULL);
  return output && mount("/tmp/ufw", "/etc/ufw", NULL, MS_BIND, NULL) == 0 && works("ufw", "version") &&
         works("ufw", "status");
}

int main(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  lw_sandbox_enter();
  g_test_init(&argc, &argv, NULL);
  has_iptables = works("iptables", "-S");
  has_ufw = has_iptables && prepare_ufw();
  provider = lw_firewall_provider_new(&context, &error);
  g_assert_no_error(error);
  g_test_add_func("/firewall/docker", test_docker);
  g_test_add_func("/firewall/ufw", test_ufw);
  g_test_add_func("/firewall/ufw-of-others", test_ufw_of_others);
  int status = g_test_run();
  lw_provider_free(provider);
  return status;
}
