/* Where each header field has its variables; private to src/flow. */
#pragma once

#include "flow/packets.h"

#define LW_HEADER_VARIABLES 385

guint lw_header_first(LwHeaderField field);
guint lw_header_bits(LwHeaderField field);
