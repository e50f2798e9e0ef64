/* A lab's config.xml put into one that is there: the adoption of an OPNsense that was configured by hand.
 *
 * Interfaces are matched by device: a key that the file has for it stays. What lanward made before (its items
 * are described as “lanward…”) is replaced; rules of the old and the new page on the lab's interfaces go, and
 * are named; everything else stays as it is.
 */
#pragma once

#include <glib.h>

typedef struct {
  GPtrArray *goes;  /* of char*: rules that are taken out */
  GPtrArray *stays; /* of char*: rules that are kept and are asked before lanward's (floating, of groups) */
  guint legacy;     /* how many of those that go are of the old page, which no API deletes one by one */
} LwOpnMergeNotes;

/* existing: the router's; made: by lw_opn_config. Transfer full; NULL and error (LW_ERROR_SPEC). The text
 * holds the secrets of both. */
char *lw_opn_merge(const char *existing, const char *made, LwOpnMergeNotes *notes, GError **error);
