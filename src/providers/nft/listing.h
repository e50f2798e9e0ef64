/* What nft lists (JSON), made comparable. Pure. */
#pragma once

#include <glib.h>

/* SHA-256 of a table's listing without what changes by itself: handles, counters, order of elements, elements
 * of run-time sets. NULL and error when it is no listing. */
char *lw_nft_listing_digest(const char *json, const char *const *runtime_sets, GError **error);

/* Name of a run-time set -> its elements as nft text, for those of `runtime_sets` that are there and hold
 * single addresses, prefixes or ranges only. */
GHashTable *lw_nft_listing_runtime(const char *json, const char *const *runtime_sets);

/* The comment of a table, by the text (not JSON) of its listing; NULL: it has none. */
char *lw_nft_listing_mark(const char *text);
