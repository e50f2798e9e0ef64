/* The cells of a report, counted by source and destination: what a matrix shows of them. */
#pragma once

#include "verify/verify.h"

typedef enum {
  LW_MARK_EMPTY, /* no cell */
  LW_MARK_NONE,  /* nothing passes */
  LW_MARK_ALL,
  LW_MARK_PART, /* what its text names */
  LW_MARK_BAD,
  LW_MARK_UNTESTED
} LwMark;

struct LwTally {
  GPtrArray *sources, *destinations; /* of char*: segments in the file's order, then what else there is */
  guint untested;                    /* cells that the half of the proof that was made says nothing of */
  /* how they were found; see lw_tally_mark() and lw_tally_text() */
  GPtrArray *rows; /* of GArray of squares */
  guint *row, *column;
};

/* first: nullable; is given each cell that could be wrong before it is counted. */
typedef void (*LwTallyFirst)(LwVerifyReport *report, LwCell *cell);
LwTally *lw_tally_new(LwVerifyReport *report, const LwLab *lab, LwTallyFirst first);
void lw_tally_free(LwTally *tally);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwTally, lw_tally_free)

LwMark lw_tally_mark(const LwTally *tally, guint source, guint destination);
/* "◐ ping,samba,dns+2": the mark, and the services where they tell more, the first `most` of them by name.
 * Nothing in it controls a terminal. Transfer full. */
#define LW_TALLY_SERVICES 3
char *lw_tally_text(const LwTally *tally, guint source, guint destination, guint most);
/* "✓" */
const char *lw_mark_text(LwMark mark);
/* What is printed is partly from the wire or the file: no control character gets to the terminal. */
void lw_append_clean(GString *out, const char *text);
