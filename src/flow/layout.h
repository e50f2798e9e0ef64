/* Where each header field has its variables; private to src/flow. */
#pragma once

#include "flow/packets.h"

#define LW_HEADER_VARIABLES 385
#define LW_NUMBER_FIRST LW_HEADER_VARIABLES /* of a map's numbers: behind all fields */
#define LW_NUMBER_BITS 16

guint lw_header_first(LwHeaderField field);
guint lw_header_bits(LwHeaderField field);
