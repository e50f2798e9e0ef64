/* The engines themselves: Docker and Podman, each by the socket of its API. */
#pragma once

#include "providers/container/translate.h"
#include "resource/facts.h"

/* Where they listen, NULL-terminated: Debian's places. */
extern const char *const lw_container_sockets[];

/* A container by its name (or id); NULL and LW_ERROR_NOT_FOUND when this engine has none of that name. */
LwContainerInfo *lw_container_inspect(const char *socket_path, const char *name, GError **error);
/* The same of whichever engine has it. engine (nullable): which one, borrowed from `sockets`. NULL:
 * LW_ERROR_NOT_FOUND when all that listen say that they have none; LW_ERROR_CONFLICT when two have one; else
 * what an engine answered that may have it. */
LwContainerInfo *lw_container_find(const char *const *sockets, const char *name, const char **engine,
                                   GError **error);
/* Names of all of an engine's containers, of char*. */
GPtrArray *lw_container_names(const char *socket_path, GError **error);

/* Starts it; one that runs is success. LW_ERROR_NOT_FOUND when no engine has it. */
gboolean lw_container_start(const char *const *sockets, const char *name, GError **error);
/* Asks it to end, and ends it when it has not after so long; one that does not run is success. */
gboolean lw_container_stop(const char *const *sockets, const char *name, guint seconds, GError **error);

/* What a machine that is a container is now. Never fails: what cannot be found out is a note of the fact, and
 * the machine does not run. Transfer full. */
LwContainerFact *lw_container_look(const char *const *sockets, const char *object);

/* Follows the engines' events in the thread's default main context; `changed` is called with the name of a
 * container that started, ended, or is another now, and with NULL when anything may have happened (at the
 * start, and whenever an engine could be reached again). */
typedef struct LwContainerWatch LwContainerWatch;
typedef void (*LwContainerChanged)(const char *name /* nullable */, gpointer data);
LwContainerWatch *lw_container_watch_new(const char *const *sockets, LwContainerChanged changed,
                                         gpointer data);
void lw_container_watch_free(LwContainerWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwContainerWatch, lw_container_watch_free)
