/* The file's assert: lines, decided over the intended matrix (intent.h).
 *
 * An assert speaks of every flow between its ends. It is decided on finitely many: one for each set of flows
 * that the lines of the file cannot tell apart, so the answer is exact, and a broken one comes with a packet.
 *
 * - deny is broken by any flow that passes, allow by any that is stopped.
 * - Without ports an allow means all of icmp, tcp and udp. Of the router it means ping (nobody is let into
 * all of it), and beyond the exits it leaves out DNS (53 and 853), which follows the exit whatever the file
 * says. A port that is named counts everywhere. Of host/SERVICE and router/ntp the ports are the service's
 * own.
 * - A segment is every address that a machine could have there: all but the gateway's and the two ends of its
 * subnet. A prefix is every address in it, whichever zone that lies in; of an allow the router's own are left
 * out. A machine is all of its addresses there; for a deny, one with “spoof: ok” is the whole segment as a
 * source.
 * - A flow from outside that a forward leads on belongs to the machine and the port that it arrives at, not
 * to the router. An allow from the internet holds when it passes by one of the exits.
 * - A machine that was moved out of the segment, or cut off, has no flows there: nothing is broken by it.
 * - While the home LAN is not known, it is taken for a private network that no line names.
 * - What does not pass through the lab at all (host -> internet, home-lan -> host, …) lanward neither opens
 * nor stops: an assert about it is broken whatever it says.
 */
#pragma once

#include "policy/intent.h"

typedef struct {
  const LwAssert *assert;  /* of the lab */
  LwFlowQuestion question; /* a packet that breaks it */
  gboolean beside;         /* it does not pass through the lab: not lanward's to decide */
  char *reason;            /* why it passes or is stopped */
  LwOrigin origin;         /* the line that decides; file NULL for a default */
} LwBrokenAssert;

/* Of LwBrokenAssert*, transfer full, in the file's order. facts: assigned (lw_policy_assign). */
GPtrArray *lw_policy_broken_asserts(const LwLab *lab, const LwFacts *facts);
/* "assert “TEXT” does not hold: PACKET would pass: REASON (file:line:column)". Transfer full. */
char *lw_broken_assert_message(const LwLab *lab, const LwFacts *facts, const LwBrokenAssert *broken);
void lw_broken_assert_free(LwBrokenAssert *broken);
