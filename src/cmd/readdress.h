/* A machine whose address is another now, while it stays plugged in where it is: it has its old lease, which
 * is good for nothing any more. It is shown its link anew, as after a move, so that it asks again. */
#pragma once

#include "cmd/session.h"

/* "MACHINE/NIC" -> "SEGMENT ADDRESS" of all that are plugged in and have one. Transfer full. */
GHashTable *lw_readdress_before(const LwLab *lab, const LwFacts *facts);
/* After the lab is applied: best effort, a machine that sees nothing asks again when its lease is half over.
 */
void lw_readdress(const LwSession *session, GHashTable *before);
