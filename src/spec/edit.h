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

/* Adds an allow: line ("host:tcp/22", as the file writes it) to those of a segment; by_host: to what the host
 * may open into it. */
char *lw_spec_edit_allow(const char *text, const char *file, const char *segment, gboolean by_host,
                         const char *allow, GError **error);

/* Takes the allow: line that stands at that place out again. */
char *lw_spec_edit_drop_allow(const char *text, const char *file, const char *segment, gboolean by_host,
                              const LwOrigin *allow, GError **error);

/* Adds a machine behind those that there are: what it is, and of each card its segment (an index into lab)
 * and its address. Its MACs are the machine's own affair. */
char *lw_spec_edit_add_machine(const char *text, const char *file, const LwLab *lab, const LwMachine *machine,
                               GError **error);
