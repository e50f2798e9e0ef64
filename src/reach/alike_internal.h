/* Between the parts of alike: alike_words.c writes down what is said, alike_world.c says what is in the
 * world, alike.c makes classes of groups, alike_runs.c renames groups. */
#pragma once

#include "reach/alike.h"
#include "reach/internal.h"

#define LW_ALIKE_MENTIONS_MAX 4

typedef struct {
  guint32 first, last;
  guint group;
} Own;

typedef struct {
  guint group, role;
} Token;

/* Something that is true of one group alone, as words of Alike.words in which the group has no name. */
typedef struct {
  guint64 hash;
  guint group, start, len;
} Fact;

/* Something that is true of several: their numbers stand beside the words. */
typedef struct {
  guint64 hash;
  guint start, len, count;
  guint mentions[LW_ALIKE_MENTIONS_MAX];
} Edge;

typedef struct {
  const LwElement *element;
  guint edge;
} ElementEdge;

/* Those of one set. */
typedef struct {
  GArray *edges; /* of ElementEdge */
  guint32 wild;  /* bit i: some of them have no name at position i of the key */
  guint32 plain; /* bit i: some have a name there that is no group's */
} SetEdges;

/* Where a run finds edges: in a set, by the name of a group's link at that position of the key. */
typedef struct {
  const LwSet *set;
  guint position, group, role;
} Place;

typedef enum {
  SAYS_NUMBER = 1,
  SAYS_RAW_RANGE,
  SAYS_RAW_RANGE6,
  SAYS_OWN_RANGE,
  SAYS_NAME,
  SAYS_OWN_NAME,
  SAYS_WILD,
  SAYS_MAC,
  SAYS_OWN_MAC,
  SAYS_GROUP,
  SAYS_BOUND,
  SAYS_RESOURCE,
  SAYS_ELEMENT,
} Word;

struct LwAlike {
  LwReach *reach;
  guint groups;
  gboolean *apart;          /* alike with nobody */
  GArray *owned;            /* of Own, by address */
  GHashTable *names, *macs; /* char*, of LwMac as guint64* -> Token* */
  GHashTable *texts;        /* char* -> number, from 1 */
  GHashTable *wild_names;   /* set of char* */
  GArray *bounds;           /* of guint32: edges of ranges that groups' prefixes lie in */
  guint32 *words;           /* all that is said */
  guint said, room;
  GArray *facts;         /* of Fact, in the end by group */
  GArray *edges;         /* of Edge */
  GHashTable *set_edges; /* const LwSet* -> SetEdges* */
  GHashTable *places;    /* Place* -> GArray of guint: numbers of edges */
  GArray **own_edges;    /* of guint, a group: said of it beside the world; NULL: none */
  guint *first_fact;     /* a group; one more at the end */
  guint *classes;        /* a group -> one of its class */
  /* what is being said */
  guint start;
  guint mentions[LW_ALIKE_MENTIONS_MAX], count;
  gboolean too_many;
  /* the renaming */
  guint *to, *from;
  GArray *renamed; /* of guint */
};

/* --- alike_words.c */
static inline void lw_alike_word(LwAlike *a, guint32 value) {
  if (a->said == a->room) {
    a->room = MAX(1024, 2 * a->room);
    a->words = g_renew(guint32, a->words, a->room);
  }
  a->words[a->said++] = value;
}

/* Begins a fact. */
void lw_alike_begin(LwAlike *alike);
/* It speaks of the group: the number to say it by. Of too many: LwAlike.too_many. */
guint32 lw_alike_mention(LwAlike *alike, guint group);
/* Ends it: as if it had not been said; as a reason why each group that it speaks of is alike with nobody; as
 * a fact of one group; as an edge between several, its number. */
void lw_alike_forget(LwAlike *alike);
void lw_alike_set_all_apart(LwAlike *alike);
void lw_alike_keep_fact(LwAlike *alike, guint group);
guint lw_alike_keep_edge(LwAlike *alike);
void lw_alike_set_apart(LwAlike *alike, guint group);
/* A range that contains groups, or cuts them. */
void lw_alike_note_range(LwAlike *alike, guint32 first, guint32 last);
/* Whose prefix all of it is in; NULL: nobody's. */
const Own *lw_alike_owner_of(const LwAlike *alike, guint32 first, guint32 last);
guint lw_alike_text_number(LwAlike *alike, const char *text /* nullable */);
/* Words. A text is no name of anything; a name may be a group's link's. Both nullable. */
void lw_alike_say_text(LwAlike *alike, const char *text);
void lw_alike_say_name(LwAlike *alike, const char *name);
void lw_alike_say_prefix(LwAlike *alike, const LwPrefix *prefix /* may be unset */);
void lw_alike_say_value(LwAlike *alike, const LwValue *value);
guint64 lw_alike_mac_number(const LwMac *mac);
gboolean lw_alike_words_equal(const LwAlike *alike, guint start, guint other, guint len);

/* The value of a key that is one name. */
static inline gboolean lw_alike_has_name(const LwValue *value) {
  return value->kind == LW_VALUE_NAME && value->name && !lw_reach_is_wild_name(value->name);
}
