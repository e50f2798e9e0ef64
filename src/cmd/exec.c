#include "cmd/session.h"

#include "base/error.h"
#include "base/netns.h"
#include "policy/names.h"
#include "providers/cell/cell.h"
#include "providers/container/container.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* @host, @router, @home-router, @internet, @TUNNEL -> its network namespace ("" for the host's). */
static char *place_netns(const LwSession *session, const char *place, GError **error) {
  if (g_str_equal(place, "host"))
    return g_strdup("");
  if (g_str_equal(place, "router"))
    return g_strdup(session->facts->router_ns);
  if (g_str_equal(place, "home-router") || g_str_equal(place, "internet"))
    return g_strdup(place);
  if (lw_lab_find_tunnel(session->lab, place) != LW_NONE)
    return g_strconcat("tun-", place, NULL);
  g_set_error(error, LW_ERROR, LW_ERROR_NOT_FOUND,
              "no place “@%s”: there are @host, @router, @home-router, @internet and @TUNNEL for each tunnel",
              place);
  return NULL;
}

static int exec_at(const LwSession *session, const char *place, char **argv) {
  g_autoptr(GError) error = NULL;
  g_autofree char *netns = place_netns(session, place, &error);
  if (!netns)
    return lw_fail(error);
  if (lw_netns_enter(netns, &error) < 0)
    return lw_fail(error);
  execvp(argv[0], argv);
  return lw_fail_text("cannot run %s: %s", argv[0], g_strerror(errno));
}

static int exec_inside(LwSession *session) {
  char **args = (char **)session->invocation->args->pdata;
  if (!args[0] || !args[1])
    return lw_fail_text("usage: %s exec MACHINE|@PLACE -- COMMAND…", lw_target_command());
  if (args[0][0] == '@')
    return exec_at(session, args[0] + 1, args + 1);
  g_autoptr(GError) error = NULL;
  if (lw_session_machine(session, args[0], &error) == LW_NONE)
    return lw_fail(error);
  const LwContainerFact *container = g_hash_table_lookup(session->facts->containers, args[0]);
  const char *const *argv = (const char *const *)(args + 1);
  int status = container ? lw_container_exec(container, argv, &error)
                         : lw_cell_exec(session->context.run_dir, args[0], argv, &error);
  return status < 0 ? lw_fail(error) : status;
}

int lw_exec_main(const LwInvocation *invocation) {
  return lw_session_run(invocation, TRUE, exec_inside);
}
