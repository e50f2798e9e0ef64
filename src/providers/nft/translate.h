/* Neutral rules -> nft(8) text. Pure: no I/O, no libnftables. */
#pragma once

#include "resource/rules.h"

/* The whole table, stable: the same rules give the same text. The table's comment says "lanward". */
char *lw_nft_print(const LwRuleset *ruleset);

typedef struct {
  const char *mark;         /* the table's comment; NULL: "lanward" */
  gboolean without_runtime; /* leave the elements of run-time sets out */
  GHashTable *runtime; /* nullable: name of a run-time set -> its elements as nft text, in place of its own */
} LwNftOptions;

char *lw_nft_print_with(const LwRuleset *ruleset, const LwNftOptions *options);

/* One transaction: create the table if it is missing, delete it, make it anew. */
char *lw_nft_replace(const LwRuleset *ruleset);
char *lw_nft_replace_with(const LwRuleset *ruleset, const LwNftOptions *options);

/* The same of a table's text. */
char *lw_nft_replacement(const char *family, const char *name, const char *text);

/* One transaction that turns old into new by set elements alone; "" when they are equal; NULL when more than
 * elements differs. Run-time sets are left alone. */
char *lw_nft_delta(const LwRuleset *old_rules, const LwRuleset *new_rules);

/* A table's text (ours, or as nft lists it) in pieces that a small socket buffer takes, of char*, each one
 * transaction: the table with its sets empty, then their elements, at most so many at a time. Transfer full.
 */
GPtrArray *lw_nft_parts(const char *text, guint most);

/* The same on two texts of lw_nft_print_with(); both without the elements of run-time sets. */
char *lw_nft_delta_of_texts(const char *old_text, const char *new_text);

/* The table's name: a ruleset may be called "NAME/FAMILY" where two tables share a name. */
char *lw_nft_table_name(const LwRuleset *ruleset);
/* As nft calls it: "inet", "bridge", … */
const char *lw_nft_family(LwFamily family);

/* A set or a chain, as nft is told of it; a comment, and a log's prefix. Transfer full; NULL: none. */
char *lw_nft_object_name(const char *name);
char *lw_nft_comment(const char *comment);
char *lw_nft_log_prefix(const char *prefix /* nullable */);
