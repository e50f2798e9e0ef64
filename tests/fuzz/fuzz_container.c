/* What a container engine answers: an inspected container, a list, lines of events; and a container's own
 * /etc/resolv.conf. The input is all of them. */
#include "providers/container/resolv.h"
#include "providers/container/translate.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const char *name) {
  if (!*name || strchr(name, '/') || strchr(name, ' ') || strlen(name) > 255)
    g_error("“%s” is no name", name);
}

static void check_info(const LwContainerInfo *info) {
  check_name(info->name);
  if (info->running != (info->pid > 0))
    g_error("a container that runs has a process, and another has none");
  g_autofree char *trouble = lw_container_trouble(info);
  if (!trouble && (!g_str_equal(info->network_mode, "none") || info->networks->len))
    g_error("a network of its own, and nothing is wrong with it");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  g_autofree char *text = g_strndup((const char *)data, size);
  g_autoptr(GError) error = NULL;
  g_autoptr(LwContainerInfo) info = lw_container_info_parse(text, -1, &error);
  if ((info != NULL) == (error != NULL))
    g_error("a container in spite of an error, or none and no word why");
  if (info)
    check_info(info);
  g_autoptr(GPtrArray) names = lw_container_names_parse(text, -1, NULL);
  for (guint i = 0; names && i < names->len; i++)
    check_name(names->pdata[i]);
  g_autofree char *event = lw_container_event_name(text);
  if (event)
    check_name(event);
  g_autofree char *servers = lw_resolv_servers(text);
  if (strchr(servers, '\n'))
    g_error("a resolver of two lines");
  return 0;
}
