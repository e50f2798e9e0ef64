/* Where each header field has its variables: one a word of at most 16 bits, its first word first. Private to
 * src/flow. */
#pragma once

#include "flow/packets.h"

#define LW_HEADER_VARIABLES 27
#define LW_NUMBER_VARIABLE LW_HEADER_VARIABLES /* of a map's numbers: behind all fields */
#define LW_NUMBER_MAX 0xffffu

guint lw_header_first(LwHeaderField field);
guint lw_header_words(LwHeaderField field);
guint lw_header_word_bits(LwHeaderField field);
guint lw_header_bits(LwHeaderField field);
/* The word of a field's value as LwSpan has it: big-endian bytes. */
guint32 lw_header_word(LwHeaderField field, const guint8 *bytes, guint word);
