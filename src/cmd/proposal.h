/* Changes of the lab's file that are shown as diff lines: only those that were tried on the file and make of
 * a flow what they are meant to. What the file asserts to the contrary is changed with them. */
#pragma once

#include "cmd/session.h"
#include "policy/intent.h"
#include "spec/edit.h"

typedef struct {
  LwSession *session;
  const LwFlowQuestion *question;
  gboolean pass; /* what is to become of it */
  char *path;    /* of the user's file; nullable: not known */
  LwLab *before; /* that file as it is now; nullable: it cannot be had, or is another lab by now */
  guint tried, shown;
  GString *out;
} LwProposals;

void lw_proposals_init(LwProposals *proposals, LwSession *session, const LwFlowQuestion *question,
                       gboolean pass);
void lw_proposals_clear(LwProposals *proposals);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LwProposals, lw_proposals_clear)

/* The user's file is that of the lab in force no more, and says what is wanted already. */
gboolean lw_proposals_is_done(const LwProposals *proposals);

/* Changes of the file in which the segment stands; NULL: they cannot be made. Transfer full. */
LwEdits *lw_proposals_edits(const LwProposals *proposals, const LwSegment *owner);
/* Shows them, when all of it was made and does what it should. scope: whom it is for ("for gaming alone").
 * remarks (nullable): lines about it. */
gboolean lw_proposals_show(LwProposals *proposals, const LwSegment *owner, LwEdits *edits, const char *scope,
                           const char *remarks);
/* Asserts of the file that a change would break, of LwBrokenAssert*; NULL: it makes no lab. Transfer full. */
GPtrArray *lw_proposals_broken(const LwProposals *proposals, const LwSegment *owner, const LwEdits *edits);
/* What to do once the file is changed. */
void lw_proposals_end(LwProposals *proposals);

/* A path as people wrote it: without the folder that they are in. Transfer full. */
char *lw_proposals_path(const char *path);
