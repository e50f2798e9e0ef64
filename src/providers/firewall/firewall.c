#include "providers/firewall/firewall.h"

#include "base/error.h"
#include "base/files.h"
#include "base/process.h"
#include "providers/firewall/translate.h"
#include "providers/nft/tables.h"

#include <string.h>

#define UFW_CONF "/etc/ufw/ufw.conf"
#define UFW_RULES "/etc/ufw/user.rules"
#define FILE_MAX (4 * 1024 * 1024)

static const LwResource *subject(const LwChange *change) {
  return change->to ? change->to : change->from;
}

static gboolean is_docker(const LwResource *opening) {
  return g_str_equal(opening->name, LW_OPENING_DOCKER);
}

static char *run(const char *const *argv, GError **error) {
  static const char *const plain[] = {"LC_ALL=C", NULL};
  return lw_command_run(&(LwCommand){.argv = argv, .env = plain}, error);
}

/* --- what is there
 * ---------------------------------------------------------------------------------------------------- */

/* The chain that is not there has no rules; anything else is an error. */
static gboolean see_docker(LwResourceSet *seen) {
  static const char *const argv[] = {"iptables", "-w", "10", "-S", "DOCKER-USER", NULL};
  g_autofree char *rules = run(argv, NULL);
  if (rules)
    lw_docker_parse(rules, seen);
  return rules != NULL;
}

static gboolean see_ufw(LwResourceSet *seen, LwResourceSet *against, GError **error) {
  if (!g_file_test(UFW_RULES, G_FILE_TEST_EXISTS)) /* not installed: nothing of it is there */
    return TRUE;
  g_autofree char *rules = lw_file_read(UFW_RULES, FILE_MAX, NULL, error);
  if (rules)
    lw_ufw_parse(rules, seen, against);
  return rules != NULL;
}

static void which(const LwResourceSet *set /* nullable */, gboolean *ufw, gboolean *docker) {
  for (guint i = 0; set && i < set->list->len; i++) {
    const LwResource *r = set->list->pdata[i];
    if (r->kind != LW_RES_OPENING)
      continue;
    *(is_docker(r) ? docker : ufw) = TRUE;
  }
}

static gboolean firewall_observe(LwProvider *self, const LwResourceSet *wanted, const LwResourceSet *owned,
                                 LwResourceSet *seen, GError **error) {
  (void)self;
  gboolean ufw = FALSE, docker = FALSE;
  which(wanted, &ufw, &docker);
  which(owned, &ufw, &docker);
  if (docker)
    see_docker(seen);
  return !ufw || see_ufw(seen, NULL, error);
}

gboolean lw_ufw_is_active(void) {
  static const char *const argv[] = {"iptables", "-w", "10", "-S", "ufw-user-input", NULL};
  g_autofree char *conf = lw_file_read(UFW_CONF, FILE_MAX, NULL, NULL);
  g_autofree char *chain = conf && lw_ufw_is_enabled(conf) ? run(argv, NULL) : NULL;
  return chain != NULL;
}

gboolean lw_docker_filters(void) {
  static const char *const argv[] = {"iptables", "-w", "10", "-S", "FORWARD", NULL};
  g_autofree char *forward = run(argv, NULL);
  return forward && strstr(forward, "-j DOCKER-USER\n");
}

static gboolean has_firewalld_table(void) {
  g_autoptr(GPtrArray) tables = lw_nft_tables("", NULL);
  return tables && (lw_nft_find_table(tables, LW_FAMILY_INET, "firewalld") ||
                    lw_nft_find_table(tables, LW_FAMILY_IP, "firewalld"));
}

/* An interface in no zone is in the default one. */
char *lw_firewalld_zone(const char *link, char **name) {
  if (!has_firewalld_table())
    return NULL;
  g_autofree char *of_interface = g_strconcat("--get-zone-of-interface=", link, NULL);
  const char *of[] = {"firewall-cmd", of_interface, NULL};
  const char *by_default[] = {"firewall-cmd", "--get-default-zone", NULL};
  g_autofree char *zone = run(of, NULL);
  if (!zone)
    zone = run(by_default, NULL);
  g_autofree char *option = g_strconcat("--zone=", zone ? g_strstrip(zone) : "", NULL);
  const char *list[] = {"firewall-cmd", option, "--list-all", NULL};
  char *listing = zone ? run(list, NULL) : NULL;
  if (listing)
    *name = g_steal_pointer(&zone);
  return listing;
}

/* --- changing it
 * ---------------------------------------------------------------------------------------------------- */

static gboolean has_program(const LwResource *opening, GError **error) {
  const char *program = is_docker(opening) ? "iptables" : "ufw";
  g_autofree char *in_path = g_find_program_in_path(program);
  g_autofree char *in_sbin = g_build_filename("/usr/sbin", program, NULL);
  if (in_path || g_file_test(in_sbin, G_FILE_TEST_IS_EXECUTABLE))
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_UNSUPPORTED,
              "%s is not installed, and its rules are in force here: apt install %s", program, program);
  return FALSE;
}

static gboolean firewall_check(LwProvider *self, const GPtrArray *changes, GError **error) {
  (void)self;
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  g_autoptr(LwResourceSet) against = lw_resource_set_new();
  if (!see_ufw(seen, against, error))
    return FALSE;
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    const LwResource *opening = subject(change);
    g_autofree char *key = lw_resource_key(opening);
    if (!has_program(opening, error))
      return FALSE;
    if (!change->to || !lw_resource_set_find(against, key))
      continue;
    g_autofree char *what = lw_resource_describe(opening);
    g_set_error(
        error, LW_ERROR, LW_ERROR_CONFLICT,
        "%s: ufw has a rule, not lanward's, that does something else with these packets, and ufw would "
        "replace it: delete it (ufw status numbered; ufw delete NUMBER), or take the line out of the file",
        what);
    return FALSE;
  }
  return TRUE;
}

static GBytes *firewall_prepare(LwProvider *self, const GPtrArray *changes, GError **error) {
  (void)self;
  (void)error;
  return lw_undo_from_changes(changes);
}

/* What is there now decides: one of somebody else's is neither made again (ufw would put our comment on it)
 * nor removed. */
static gboolean is_to_do(const LwChange *change, const LwResourceSet *now) {
  g_autofree char *key = lw_resource_key(subject(change));
  const LwResource *there = lw_resource_set_find(now, key);
  return change->to ? there == NULL : there && there->alias;
}

static gboolean firewall_apply(LwProvider *self, const GPtrArray *changes, GError **error) {
  (void)self;
  g_autoptr(LwResourceSet) now = lw_resource_set_new();
  if (!see_ufw(now, NULL, error))
    return FALSE;
  see_docker(now);
  for (guint i = 0; i < changes->len; i++) {
    const LwChange *change = changes->pdata[i];
    const LwResource *opening = subject(change);
    if (!is_to_do(change, now))
      continue;
    g_auto(GStrv) argv =
        is_docker(opening) ? lw_docker_command(opening, !change->to) : lw_ufw_command(opening, !change->to);
    g_autofree char *output = run((const char *const *)argv, error);
    if (!output)
      return FALSE;
  }
  return TRUE;
}

static gboolean firewall_undo(LwProvider *self, GBytes *undo, GError **error) {
  g_autoptr(GPtrArray) changes = lw_undo_to_changes(undo, error);
  return changes && firewall_apply(self, changes, error);
}

static void firewall_free(LwProvider *self) {
  g_free(self);
}

static const LwResourceKind firewall_kinds[] = {LW_RES_OPENING, LW_RES_LAST};

static const LwProviderOps firewall_ops = {
    .name = "firewall",
    .kinds = firewall_kinds,
    .observe = firewall_observe,
    .check = firewall_check,
    .prepare = firewall_prepare,
    .apply = firewall_apply,
    .undo = firewall_undo,
    .free = firewall_free,
};

LwProvider *lw_firewall_provider_new(const LwProviderContext *context, GError **error) {
  (void)error;
  LwProvider *provider = g_new0(LwProvider, 1);
  provider->ops = &firewall_ops;
  provider->context = context;
  return provider;
}
