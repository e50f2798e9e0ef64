/* nftables' sets of ranges refuse members that overlap, and lines of a file may well say a thing twice. */
#pragma once

#include "resource/rules.h"

/* Rewrites the elements of a plain interval set (IPv4 addresses, numbers, names) so that no two overlap and
 * the union is the same. A piece keeps the origin of the first element that covers it. */
void lw_set_make_disjoint(LwSet *set);
