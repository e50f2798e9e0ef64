/* Whom the internet takes a machine for, on a host: asked of the echo service that the file names
 * (host.echo). The packets of the live proof end at the last link that is ours; this is what lies behind it.
 */
#pragma once

#include "cmd/session.h"
#include "verify/verify.h"

/* While the world's places are plugged in: one request a segment and exit, and one of the host's own. Fills
 * in what was seen; an exit by a tunnel that is seen as the home line is a violation, a service that does not
 * answer is told of. Does nothing where the file names none, or in a twin. */
void lw_echo_ask(const LwSession *session, const LwVerifyWorld *world, LwVerifyReport *report);
