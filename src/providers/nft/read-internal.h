/* Shared by the parts of the reader. */
#pragma once

#include "resource/rules.h"

#include <json-glib/json-glib.h>

#define LW_PROTO_NONE G_MAXUINT32

/* An expression that a rule compares or looks up: a field, and what having it says of the packet. */
typedef struct {
  LwField field;  /* LW_FIELD_UNKNOWN: not understood */
  guint32 proto;  /* transport protocol that goes with it, or LW_PROTO_NONE */
  guint32 family; /* 4 or 6 when the packet must be that; else 0 */
} LwNftSelector;

LwNftSelector lw_nft_selector(JsonNode *node);

/* An address, a name, a number … of the field's kind. FALSE: not understood; *out untouched. */
gboolean lw_nft_value(JsonNode *node, LwField field, LwValue *out);
/* A constant: a number, a symbol of the field, several or-ed. */
gboolean lw_nft_number(JsonNode *node, LwField field, guint32 *out);
/* The field of a set's type by its name ("ipv4_addr"); LW_FIELD_UNKNOWN. */
LwField lw_nft_type_field(const char *type);
gboolean lw_nft_is_bitmask(LwField field);

/* JSON without surprises: NULL for what is not there or of another type. */
JsonObject *lw_nft_object(JsonNode *node);
JsonArray *lw_nft_array(JsonNode *node);
const char *lw_nft_text(JsonNode *node);
gboolean lw_nft_int(JsonNode *node, gint64 *out);
JsonNode *lw_nft_member(JsonNode *node, const char *name);
/* The one member of an object like {"match": …}: its name, and its value in *value. */
const char *lw_nft_only_member(JsonNode *node, JsonNode **value);
/* Compact text of something that is not understood, cut at a sane length. Transfer full. */
char *lw_nft_json_text(JsonNode *node);

/* One statement list into rules at the end of a chain; anonymous sets go into the ruleset. */
void lw_nft_read_rule(LwRuleset *ruleset, LwChain *chain, JsonNode *rule);
/* A set or map of the table. */
void lw_nft_read_set(LwRuleset *ruleset, JsonNode *node, gboolean map);
/* The elements of a set: an array of values, or of pairs. */
void lw_nft_read_elements(LwSet *set, JsonNode *elements);
/* {"accept": null}, {"jump": {"target": …}}. */
gboolean lw_nft_verdict(JsonNode *node, LwVerdict *out);
/* A set that stands in a rule, filled; its fields are to be set by the caller before. Borrowed. */
LwSet *lw_nft_anonymous_set(LwRuleset *ruleset, LwSetKind kind, const GArray *fields);
