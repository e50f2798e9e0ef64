/* What is told of the lab's machines that are containers. */
#pragma once

#include "cmd/session.h"

/* "indexer: there is no container indexer; …": of char*, transfer full; empty where there is nothing to say.
 */
GPtrArray *lw_container_notes(const LwSession *session);
/* Before a file is put in force: prints the notes; FALSE with error when one of them has a way round. */
gboolean lw_containers_ready(const LwSession *session, GError **error);
