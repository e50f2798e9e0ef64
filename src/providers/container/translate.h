/* What the engines say of containers, as values: pure.
 *
 * Docker's Engine API, and Podman's service in its Docker-compatible half (libpod's API says the same of
 * these things in other words). Where they differ, as seen and as their documentation has it:
 *   - of `--network none` Docker shows a network "none" under NetworkSettings.Networks, Podman nothing (null
 *     or {}); HostConfig.NetworkMode is "none" in both;
 *   - the end of a container is the event "die"; Podman filters by its own word, "died": so only the type is
 *     asked for, and actions are told apart here;
 *   - Podman makes no /etc/resolv.conf for `--network none`, ResolvConfPath is "" then.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct {
  char *id, *name; /* the name without the API's leading "/" */
  gboolean running;
  pid_t pid;           /* of its first process, while it runs; else 0 */
  char *network_mode;  /* "none", "bridge", "host", "container:ID", a network's name, … */
  GPtrArray *networks; /* of char*: networks of its own */
  char *resolv_path;   /* what it is shown as /etc/resolv.conf; nullable */
  gboolean privileged;
} LwContainerInfo;

void lw_container_info_free(LwContainerInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwContainerInfo, lw_container_info_free)

/* The answer to GET /containers/NAME/json. */
LwContainerInfo *lw_container_info_parse(const char *json, gssize length, GError **error);
/* The answer to GET /containers/json: names (of char*), without the leading "/". */
GPtrArray *lw_container_names_parse(const char *json, gssize length, GError **error);

/* Why a container cannot be a machine of a lab, with the remedy; NULL: it can. */
char *lw_container_trouble(const LwContainerInfo *info);

/* A line of GET /events: the name of the container that started or ended; NULL: nothing that matters here, or
 * no event at all. Transfer full. */
char *lw_container_event_name(const char *line);
