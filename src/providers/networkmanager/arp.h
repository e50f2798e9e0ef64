/* Is somebody there? Asked of the wire itself: a router that answers no ping still answers ARP. */
#pragma once

#include "base/addr.h"

/* Sends ARP requests out of the link, each 100 ms, until one is answered or so long has passed. */
gboolean lw_nm_answers(const char *link, LwAddr own, LwAddr asked, guint timeout_ms);
