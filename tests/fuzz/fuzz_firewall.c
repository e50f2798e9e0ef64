/* What the host's firewalls list: ufw's user.rules and ufw.conf, iptables -S, firewall-cmd --list-all. What
 * is read as an opening, its own command would make, and is read as the same again. */
#include "providers/firewall/follow.h"
#include "providers/firewall/translate.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An argument that begins with a dash, or is empty, would be another option. */
static void check_words(char **argv, gboolean options) {
  for (guint i = 0; argv[i]; i++)
    if (!*argv[i] || (!options && *argv[i] == '-'))
      g_error("“%s” is no word of a command", argv[i]);
}

static void check(const LwResource *opening) {
  gboolean docker = g_str_equal(opening->name, LW_OPENING_DOCKER);
  g_auto(GStrv) argv = docker ? lw_docker_command(opening, TRUE) : lw_ufw_command(opening, TRUE);
  check_words(argv, docker);
  g_autoptr(JsonNode) json = lw_resource_to_json(opening);
  g_autoptr(LwResource) again = lw_resource_from_json(json, NULL);
  if (again && !lw_resource_equal(again, opening))
    g_error("an opening that does not come back from JSON");
  (void)lw_firewalld_opens("", opening);
}

static void check_all(const LwResourceSet *set) {
  for (guint i = 0; i < set->list->len; i++)
    check(set->list->pdata[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  g_autofree char *text = g_strndup((const char *)data, size);
  g_autoptr(LwResourceSet) seen = lw_resource_set_new();
  g_autoptr(LwResourceSet) against = lw_resource_set_new();
  lw_ufw_parse(text, seen, against);
  lw_docker_parse(text, seen);
  check_all(seen);
  check_all(against);
  (void)lw_firewall_is_news(
      text, strlen(text)); /* what the kernel tells of its tables; aligned, and cut anywhere */
  (void)lw_ufw_is_enabled(text);
  for (guint i = 0; i < seen->list->len; i++)
    (void)lw_firewalld_opens(text, seen->list->pdata[i]);
  return 0;
}
