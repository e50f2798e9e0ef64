/* Changes of a lab's file that leave the rest of it as it is: comments, layout, order. Text -> text; pure.
 *
 * Each returns the new text (transfer full), or NULL and LW_ERROR_SPEC, with the place and what to write
 * there by hand, where the file is written in a way that these do not know. What comes out is YAML; whether
 * it makes a lab is for lw_spec_load_changed() to say.
 */
#pragma once

#include "model/model.h"

/* Plugs a card of a machine (from 0) into another segment. file: what errors call it. */
char *lw_spec_edit_place(const char *text, const char *file, const char *machine, guint nic,
                         const char *segment, GError **error);

/* Adds a machine behind those that there are: what it is, and of each card its segment (an index into lab)
 * and its address. Its MACs are the machine's own affair. */
char *lw_spec_edit_add_machine(const char *text, const char *file, const LwLab *lab, const LwMachine *machine,
                               GError **error);

/* Several changes of one text, which become one. Places are those of the text as it was given: a change moves
 * none of them. Those that fail leave it as it was, with LW_ERROR_SPEC saying what to write by hand. */
typedef struct LwEdits LwEdits;

LwEdits *lw_edits_new(const char *text, const char *file, GError **error);
void lw_edits_free(LwEdits *edits);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwEdits, lw_edits_free)

/* How far they are, and to forget what came since. */
guint lw_edits_mark(const LwEdits *edits);
void lw_edits_back_to(LwEdits *edits, guint mark);

/* path: keys from the top, NULL behind the last: {"segments", "lan10", "egress", NULL}. value: YAML. The key
 * is added where it is not yet. */
gboolean lw_edits_set(LwEdits *edits, const char *const *path, const char *value, GError **error);
gboolean lw_edits_drop(LwEdits *edits, const char *const *path, GError **error);
gboolean lw_edits_has(const LwEdits *edits, const char *const *path);
/* Gives a machine's card (from 0), which has none yet, an address. */
gboolean lw_edits_set_address(LwEdits *edits, const char *machine, guint nic, const char *address,
                              GError **error);
/* items: of char*, the last of the list then. */
gboolean lw_edits_add_items(LwEdits *edits, const char *const *path, const GPtrArray *items, GError **error);
/* The item that stands at that place goes; with the last of its list goes the list's key. */
gboolean lw_edits_drop_item(LwEdits *edits, const LwOrigin *item, GError **error);
/* Another text for it, or (key) for one value of the mapping that it is. */
gboolean lw_edits_replace_item(LwEdits *edits, const LwOrigin *item, const char *key, const char *value,
                               GError **error);
/* The whole text with all of them (transfer full), or NULL when two meet in one place. */
char *lw_edits_text(const LwEdits *edits, GError **error);
