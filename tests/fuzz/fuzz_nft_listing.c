/* What nft lists of a table, as JSON and as text. Any bytes give a digest or a reason; the digest of what is
 * equal is equal; run-time elements are such that they can stand in an nft command. */
#include "providers/nft/listing.h"
#include "providers/nft/translate.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const runtime[] = {"home_lan", "home_lan_known", NULL};

static void check_digest(const char *text) {
  g_autoptr(GError) error = NULL;
  g_autofree char *once = lw_nft_listing_digest(text, runtime, &error);
  g_autofree char *twice = lw_nft_listing_digest(text, runtime, NULL);
  if (!once == !error || g_strcmp0(once, twice) != 0)
    g_error("a digest in spite of an error, none and no word why, or another the second time");
}

static void check_runtime(const char *text) {
  g_autoptr(GHashTable) sets = lw_nft_listing_runtime(text, runtime);
  GHashTableIter iter;
  gpointer name, elements;
  if (!sets)
    return;
  g_hash_table_iter_init(&iter, sets);
  while (g_hash_table_iter_next(&iter, &name, &elements))
    if (strspn(elements, "0123456789abcdef.:/-, \n\t") != strlen(elements))
      g_error("elements of %s that are more than addresses: %s", (char *)name, (char *)elements);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  g_autofree char *text = g_strndup((const char *)data, size);
  check_digest(text);
  check_runtime(text);
  g_free(lw_nft_listing_mark(text));
  gsize half = strlen(text) / 2;
  g_autofree char *first = g_strndup(text, half);
  g_free(lw_nft_delta_of_texts(first, text + half));
  g_autofree char *same = lw_nft_delta_of_texts(text, text);
  if (same && *same)
    g_error("a text differs from itself: %s", same);
  return 0;
}
