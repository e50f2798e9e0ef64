/* Flows for the live proof that are made of the static one: packets on both sides of the boundaries of its
 * sets.
 */
#pragma once

#include "verify/flows.h"
#include "verify/static.h"

/* Appends to `flows` (of LwFlow*) what it does not have yet: first packets of each violation of the proof, so
 * that what differs is shown to be real; then, for each source and place, packets on both sides of the
 * boundaries of what is intended and of what is in force. What a packet must do is by the intended sets;
 * those that the file leaves open are not sent. left_out: of char*, a line for each cell of the matrix of
 * which not all was taken, and why. The same lab, world and proof give the same flows. */
void lw_verify_generate(const LwLab *lab, const LwFacts *facts, const LwVerifyWorld *world,
                        const LwSurroundings *around, const LwStatic *proof, GPtrArray *flows,
                        GPtrArray *left_out);
