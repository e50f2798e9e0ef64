/* The lab's virtual machines, as libvirt has them. */
#pragma once

#include "cmd/session.h"

/* Fills the facts about libvirt, where it runs. */
gboolean lw_domains_learn(LwSession *session, GError **error);
/* What a user should know of machines that libvirt does not have: of char*, transfer full. */
GPtrArray *lw_domains_notes(const LwSession *session);
