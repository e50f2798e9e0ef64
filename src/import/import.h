/* A lab's file out of an OPNsense's config.xml: what its rules let through, said in the words of lab.yaml.
 *
 * Not the rules are read but what they do: for every interface the classes of packets that no rule tells
 * apart (audit/space.h) are decided, and what passes is written down as egress, pins, allow lines and trust.
 * So rules of either page, by whomever, come to the same. What a file of ours cannot say, or this one does
 * not, is in the notes. Pure.
 */
#pragma once

#include <glib.h>

typedef struct {
  char *name;
  char *text; /* a wg-quick file, with its keys: secret */
} LwImportedTunnel;

typedef struct {
  char *yaml;
  GPtrArray *tunnels; /* of LwImportedTunnel*; the yaml names them “wireguard/NAME.conf” */
  GPtrArray *notes;   /* of char*: what the file cannot say, and what was not carried over */
  GHashTable *cards; /* segment's name -> GUINT_TO_POINTER(N) of its device vtnetN, where it has such a one */
  guint management;  /* the same of the management network; G_MAXUINT: none */
} LwImport;

/* Errors (LW_ERROR_SPEC): no config.xml; one without a network that could be a segment. */
LwImport *lw_opnsense_import(const char *config, GError **error);
void lw_import_free(LwImport *import);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwImport, lw_import_free)
