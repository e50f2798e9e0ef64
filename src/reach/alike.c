#include "reach/alike.h"

#include "reach/internal.h"

#include <stdlib.h>
#include <string.h>

#define MENTIONS_MAX 4
#define ALIKE_MOST 256 /* edges of a list that say the same: they are paired one by one */
#define NOBODY G_MAXUINT

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
  guint mentions[MENTIONS_MAX];
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
  guint start, said_of;
  guint mentions[MENTIONS_MAX], count;
  gboolean too_many;
  /* the renaming */
  guint *to, *from;
  GArray *renamed; /* of guint */
};

typedef struct {
  Place place;
  const GArray *edges; /* there; NULL: none */
} Asked;

struct LwAlikeRun {
  guint group;
  GArray *asked;     /* of Asked, by group */
  GHashTable *fixed; /* of groups + 1: may not be renamed */
};

/* --- words
 * -------------------------------------------------------------------------------------------------------- */

static inline void word(LwAlike *a, guint32 value) {
  if (a->said == a->room) {
    a->room = MAX(1024, 2 * a->room);
    a->words = g_renew(guint32, a->words, a->room);
  }
  a->words[a->said++] = value;
}

static guint text_number(LwAlike *a, const char *text) {
  if (!text || !*text)
    return 0;
  gpointer known = g_hash_table_lookup(a->texts, text);
  if (!known) {
    known = GUINT_TO_POINTER(g_hash_table_size(a->texts) + 1);
    g_hash_table_insert(a->texts, g_strdup(text), known);
  }
  return GPOINTER_TO_UINT(known);
}

static void begin(LwAlike *a) {
  a->start = a->said;
  a->count = 0;
  a->too_many = FALSE;
}

static void set_apart(LwAlike *a, guint group) {
  a->apart[group] = TRUE;
}

static guint32 mention(LwAlike *a, guint group) {
  for (guint i = 0; i < a->count; i++)
    if (a->mentions[i] == group)
      return i;
  if (a->count == MENTIONS_MAX) {
    a->too_many = TRUE;
    set_apart(a, group);
    return MENTIONS_MAX;
  }
  a->mentions[a->count] = group;
  return a->count++;
}

static void forget(LwAlike *a) {
  a->said = a->start;
}

static void set_all_apart(LwAlike *a) {
  for (guint i = 0; i < a->count; i++)
    set_apart(a, a->mentions[i]);
  forget(a);
}

static guint64 hash_of(const LwAlike *a, guint start, guint len) {
  const guint32 *words = a->words + start;
  guint64 hash = len;
  for (guint i = 0; i < len; i++)
    hash = ((hash << 7 | hash >> 57) ^ words[i]) * 0x9e3779b97f4a7c15u;
  return hash ^ hash >> 29;
}

static void keep_fact(LwAlike *a, guint group) {
  Fact fact = {.group = group, .start = a->start, .len = a->said - a->start};
  fact.hash = hash_of(a, fact.start, fact.len);
  g_array_append_val(a->facts, fact);
}

/* The number of the edge. */
static guint keep_edge(LwAlike *a) {
  Edge edge = {.start = a->start, .len = a->said - a->start, .count = a->count};
  memcpy(edge.mentions, a->mentions, sizeof edge.mentions);
  edge.hash = hash_of(a, edge.start, edge.len);
  g_array_append_val(a->edges, edge);
  return a->edges->len - 1;
}

/* --- ranges
 * ------------------------------------------------------------------------------------------------------- */

static gint by_first(gconstpointer x, gconstpointer y) {
  const Own *a = x, *b = y;
  return a->first < b->first ? -1 : a->first > b->first;
}

/* The first of those owned that ends at the address or behind it; their number: none does. */
static guint first_behind(const LwAlike *a, guint32 address) {
  guint low = 0, high = a->owned->len;
  while (low < high) {
    guint middle = (low + high) / 2;
    if (g_array_index(a->owned, Own, middle).last < address)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* Whom it contains must be told apart from whom it does not; whom it cuts is alike with nobody. */
static void note_range(LwAlike *a, guint32 first, guint32 last) {
  gboolean contains = FALSE;
  for (guint i = first_behind(a, first); i < a->owned->len; i++) {
    const Own *own = &g_array_index(a->owned, Own, i);
    if (own->first > last)
      break;
    if (own->first >= first && own->last <= last) {
      contains = TRUE;
      /* those in between need not be looked at: only both ends can be cut */
      const Own *end = &g_array_index(a->owned, Own, MIN(first_behind(a, last), a->owned->len - 1));
      if (end > own && end->first <= last && end->last > last)
        set_apart(a, end->group);
      break;
    }
    set_apart(a, own->group);
  }
  if (!contains)
    return;
  const guint32 behind = last + 1; /* 0: nobody is behind it */
  g_array_append_val(a->bounds, first);
  if (behind)
    g_array_append_val(a->bounds, behind);
}

static const Own *owner_of(const LwAlike *a, guint32 first, guint32 last) {
  guint i = first_behind(a, first);
  const Own *own = i < a->owned->len ? &g_array_index(a->owned, Own, i) : NULL;
  return own && own->first <= first && last <= own->last ? own : NULL;
}

static void say_range6(LwAlike *a, const LwRange *range) {
  word(a, SAYS_RAW_RANGE6);
  word(a, range->first.family);
  for (guint i = 0; i < 16; i += 4) {
    const guint8 *f = range->first.bytes + i, *l = range->last.bytes + i;
    word(a, (guint32)f[0] << 24 | (guint32)f[1] << 16 | (guint32)f[2] << 8 | f[3]);
    word(a, (guint32)l[0] << 24 | (guint32)l[1] << 16 | (guint32)l[2] << 8 | l[3]);
  }
}

void lw_alike_say_range(LwAlike *a, const LwRange *range) {
  if (range->first.family != 4) {
    say_range6(a, range);
    return;
  }
  guint32 first = lw_addr_v4(&range->first), last = lw_addr_v4(&range->last);
  const Own *own = owner_of(a, first, last);
  if (own) {
    guint32 who = mention(a, own->group);
    word(a, SAYS_OWN_RANGE);
    word(a, who);
    word(a, first - own->first);
    word(a, last - own->first);
    return;
  }
  note_range(a, first, last);
  word(a, SAYS_RAW_RANGE);
  word(a, first);
  word(a, last);
}

void lw_alike_say_addr(LwAlike *a, const LwAddr *addr) {
  const LwRange range = {*addr, *addr};
  lw_alike_say_range(a, &range);
}

static void say_prefix(LwAlike *a, const LwPrefix *prefix) {
  LwRange range = {prefix->addr, prefix->addr};
  if (lw_addr_is_set(&prefix->addr))
    range = lw_prefix_range(prefix);
  lw_alike_say_range(a, &range);
}

/* --- names, MACs, numbers
 * ----------------------------------------------------------------------------------------- */

static void say_text(LwAlike *a, const char *text) {
  word(a, SAYS_NAME);
  word(a, text_number(a, text));
}

static void say_name(LwAlike *a, const char *name) {
  const Token *token = name ? g_hash_table_lookup(a->names, name) : NULL;
  if (token) {
    guint32 who = mention(a, token->group);
    word(a, SAYS_OWN_NAME);
    word(a, who);
    word(a, token->role);
    return;
  }
  if (name && lw_reach_is_wild_name(name))
    g_hash_table_add(a->wild_names, g_strdup(name));
  say_text(a, name);
}

static guint64 mac_number(const LwMac *mac) {
  guint64 number = 0;
  for (guint i = 0; i < sizeof mac->bytes; i++)
    number = number << 8 | mac->bytes[i];
  return number;
}

static void say_mac(LwAlike *a, const LwMac *mac) {
  guint64 number = mac_number(mac);
  const Token *token = g_hash_table_lookup(a->macs, &number);
  if (token) {
    guint32 who = mention(a, token->group);
    word(a, SAYS_OWN_MAC);
    word(a, who);
    word(a, token->role);
    return;
  }
  word(a, SAYS_MAC);
  word(a, (guint32)(number >> 32));
  word(a, (guint32)number);
}

void lw_alike_say_number(LwAlike *a, guint32 number) {
  word(a, SAYS_NUMBER);
  word(a, number);
}

void lw_alike_say_group(LwAlike *a, guint group) {
  guint32 who = mention(a, group);
  word(a, SAYS_GROUP);
  word(a, who);
}

static void say_value(LwAlike *a, const LwValue *value) {
  switch (value->kind) {
  case LW_VALUE_NAME:
    say_name(a, value->name);
    break;
  case LW_VALUE_PREFIX:
    say_prefix(a, &value->prefix);
    break;
  case LW_VALUE_RANGE:
    lw_alike_say_range(a, &value->range);
    break;
  case LW_VALUE_NUMBER:
    lw_alike_say_number(a, value->first);
    word(a, value->last);
    break;
  case LW_VALUE_MAC:
    say_mac(a, &value->mac);
    break;
  }
}

/* --- who owns what
 * ------------------------------------------------------------------------------------------------ */

static gboolean number_equal(gconstpointer a, gconstpointer b) {
  return *(const guint64 *)a == *(const guint64 *)b;
}

static void set_edges_free(gpointer data) {
  SetEdges *edges = data;
  g_array_unref(edges->edges);
  g_free(edges);
}

static void numbers_unref(gpointer data) {
  g_array_unref(data);
}

static guint place_hash(gconstpointer data) {
  const Place *place = data;
  return g_direct_hash(place->set) ^ (place->position * 31 + place->role) * 16777619u ^
         place->group * 2654435761u;
}

static gboolean place_equal(gconstpointer x, gconstpointer y) {
  const Place *a = x, *b = y;
  return a->set == b->set && a->position == b->position && a->group == b->group && a->role == b->role;
}

LwAlike *lw_alike_new(LwReach *reach, guint groups) {
  LwAlike *a = g_new0(LwAlike, 1);
  a->reach = reach;
  a->groups = groups;
  a->apart = g_new0(gboolean, groups + 1);
  a->owned = g_array_new(FALSE, FALSE, sizeof(Own));
  a->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  a->macs = g_hash_table_new_full(g_int64_hash, number_equal, g_free, g_free);
  a->texts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  a->wild_names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  a->bounds = g_array_new(FALSE, FALSE, sizeof(guint32));
  a->facts = g_array_new(FALSE, FALSE, sizeof(Fact));
  a->edges = g_array_new(FALSE, FALSE, sizeof(Edge));
  a->set_edges = g_hash_table_new_full(NULL, NULL, NULL, set_edges_free);
  a->places = g_hash_table_new_full(place_hash, place_equal, g_free, numbers_unref);
  a->own_edges = g_new0(GArray *, groups + 1);
  a->first_fact = g_new0(guint, groups + 1);
  a->classes = g_new0(guint, groups + 1);
  a->to = g_new(guint, groups + 1);
  a->from = g_new(guint, groups + 1);
  a->renamed = g_array_new(FALSE, FALSE, sizeof(guint));
  for (guint i = 0; i < groups; i++)
    a->to[i] = a->from[i] = NOBODY;
  return a;
}

void lw_alike_free(LwAlike *a) {
  if (!a)
    return;
  GArray *const arrays[] = {a->owned, a->bounds, a->facts, a->edges, a->renamed};
  GHashTable *const tables[] = {a->names, a->macs, a->texts, a->wild_names, a->set_edges, a->places};
  for (guint i = 0; i < G_N_ELEMENTS(arrays); i++)
    g_array_unref(arrays[i]);
  for (guint i = 0; i < G_N_ELEMENTS(tables); i++)
    g_hash_table_unref(tables[i]);
  for (guint i = 0; i < a->groups; i++)
    g_clear_pointer(&a->own_edges[i], g_array_unref);
  g_free(a->words);
  g_free(a->own_edges);
  g_free(a->apart);
  g_free(a->first_fact);
  g_free(a->classes);
  g_free(a->to);
  g_free(a->from);
  g_free(a);
}

void lw_alike_own_prefix(LwAlike *a, guint group, const LwPrefix *prefix) {
  LwRange range = lw_prefix_range(prefix);
  if (range.first.family != 4) {
    set_apart(a, group);
    return;
  }
  const Own own = {lw_addr_v4(&range.first), lw_addr_v4(&range.last), group};
  g_array_append_val(a->owned, own);
}

/* key: transfer full. */
static void own(LwAlike *a, GHashTable *tokens, gpointer key, guint group, guint role) {
  const Token *known = g_hash_table_lookup(tokens, key);
  const Token token = {group, role};
  if (known && (known->group != group || known->role != role)) {
    set_apart(a, known->group);
    set_apart(a, group);
  }
  if (known)
    g_free(key);
  else
    g_hash_table_insert(tokens, key, g_memdup2(&token, sizeof token));
}

void lw_alike_own_link(LwAlike *a, guint group, guint role, const char *name) {
  own(a, a->names, g_strdup(name), group, role);
}

void lw_alike_own_mac(LwAlike *a, guint group, guint role, const LwMac *mac) {
  guint64 number = mac_number(mac);
  own(a, a->macs, g_memdup2(&number, sizeof number), group, role);
}

gboolean lw_alike_role(const LwAlike *a, const char *link, guint *group, guint *role) {
  const Token *token = link ? g_hash_table_lookup(a->names, link) : NULL;
  if (!token)
    return FALSE;
  *group = token->group;
  *role = token->role;
  return TRUE;
}

/* --- the world
 * ---------------------------------------------------------------------------------------------------- */

/* How many addresses its link had before: the first one of a link has a meaning. */
static guint32 ordinal_of(GHashTable *seen, const LwResource *r) {
  g_autofree char *key = g_strdup_printf("%s/%s", r->ns ? r->ns : "", r->link ? r->link : "");
  guint before = GPOINTER_TO_UINT(g_hash_table_lookup(seen, key));
  g_hash_table_insert(seen, g_steal_pointer(&key), GUINT_TO_POINTER(before + 1));
  return before;
}

/* The other end counts where it is looked into. */
static void say_link(LwAlike *a, const LwResource *r) {
  gboolean inside = r->peer && *r->peer && lw_reach_ns(a->reach, r->peer_ns);
  say_name(a, r->name);
  lw_alike_say_number(a, r->link_type);
  say_text(a, inside ? r->peer_ns : "elsewhere");
  say_name(a, inside ? r->peer : NULL);
  say_name(a, r->master);
  word(a, (r->up ? 1u : 0) | (r->isolated ? 2u : 0));
}

/* An address is of its network, too: that must be no more than the group's own. */
static void say_address(LwAlike *a, const LwResource *r, guint32 ordinal) {
  say_name(a, r->link);
  lw_alike_say_addr(a, &r->prefix.addr);
  word(a, r->prefix.len);
  word(a, ordinal);
  if (r->prefix.addr.family != 4)
    return;
  LwRange range = lw_prefix_range(&r->prefix);
  guint32 first = lw_addr_v4(&range.first), last = lw_addr_v4(&range.last);
  guint32 self = lw_addr_v4(&r->prefix.addr);
  const Own *own_self = owner_of(a, self, self);
  if (own_self && !owner_of(a, first, last))
    set_apart(a, own_self->group);
  if (!own_self)
    note_range(a, first, last);
}

static void say_route(LwAlike *a, const LwResource *r) {
  say_name(a, r->link);
  say_prefix(a, &r->prefix);
  lw_alike_say_addr(a, &r->via);
  word(a, r->table);
  word(a, r->metric);
  word(a, r->route_type);
}

static void say_rule(LwAlike *a, const LwResource *r) {
  say_name(a, r->iif);
  say_name(a, r->oif);
  say_prefix(a, &r->from);
  say_prefix(a, &r->to);
}

/* "net/ipv4/conf/LINK/forwarding" */
static void say_setting(LwAlike *a, const LwResource *r) {
  g_auto(GStrv) parts = g_strsplit(r->name, "/", -1);
  for (guint i = 0; parts[i]; i++)
    say_name(a, parts[i]);
  say_text(a, r->value);
}

/* FALSE: it has no part in where packets go. */
static gboolean say_resource(LwAlike *a, const LwResource *r, GHashTable *addresses) {
  word(a, SAYS_RESOURCE);
  word(a, r->kind);
  say_text(a, r->ns);
  switch (r->kind) {
  case LW_RES_LINK:
  case LW_RES_TUNNEL:
    say_link(a, r);
    break;
  case LW_RES_ADDRESS:
    say_address(a, r, ordinal_of(addresses, r));
    break;
  case LW_RES_ROUTE:
  case LW_RES_DHCP_CLIENT:
    say_route(a, r);
    break;
  case LW_RES_RULE:
    say_rule(a, r);
    break;
  case LW_RES_SYSCTL:
    say_setting(a, r);
    break;
  default:
    return FALSE;
  }
  say_text(a, r->unknown);
  return TRUE;
}

/* Routing rules are asked in their order: whom one of them names has a place there that nobody else has. */
static void read_resource(LwAlike *a, const LwResource *r, GHashTable *addresses) {
  begin(a);
  if (!say_resource(a, r, addresses) || a->count == 0)
    forget(a);
  else if (a->count > 1 || a->too_many || r->kind == LW_RES_RULE)
    set_all_apart(a);
  else
    keep_fact(a, a->mentions[0]);
}

static void note_place(LwAlike *a, const LwSet *set, guint position, const Token *token, guint edge) {
  const Place key = {set, position, token->group, token->role};
  GArray *numbers = g_hash_table_lookup(a->places, &key);
  if (!numbers) {
    numbers = g_array_new(FALSE, FALSE, sizeof(guint));
    g_hash_table_insert(a->places, g_memdup2(&key, sizeof key), numbers);
  }
  g_array_append_val(numbers, edge);
}

static gboolean has_name(const LwValue *value) {
  return value->kind == LW_VALUE_NAME && value->name && !lw_reach_is_wild_name(value->name);
}

static void keep_element_edge(LwAlike *a, const LwSet *set, const LwElement *element) {
  const ElementEdge one = {element, keep_edge(a)};
  SetEdges *edges = g_hash_table_lookup(a->set_edges, set);
  if (!edges) {
    edges = g_new0(SetEdges, 1);
    edges->edges = g_array_new(FALSE, FALSE, sizeof(ElementEdge));
    g_hash_table_insert(a->set_edges, (gpointer)set, edges);
  }
  g_array_append_val(edges->edges, one);
  for (guint i = 0; i < element->key->len && i < 32; i++) {
    const LwValue *value = &g_array_index(element->key, LwValue, i);
    const Token *token = has_name(value) ? g_hash_table_lookup(a->names, value->name) : NULL;
    if (token)
      note_place(a, set, i, token, one.edge);
    if (!has_name(value))
      edges->wild |= 1u << i;
    else if (!token)
      edges->plain |= 1u << i;
  }
}

static void read_element(LwAlike *a, const LwSet *set, guint number, const LwElement *element) {
  begin(a);
  word(a, SAYS_ELEMENT);
  word(a, number);
  for (guint i = 0; i < element->key->len; i++)
    say_value(a, &g_array_index(element->key, LwValue, i));
  say_value(a, &element->data);
  say_value(a, &element->data_port);
  word(a, element->verdict.kind);
  if (element->verdict.chain)
    say_text(a, element->verdict.chain);
  if (a->too_many)
    set_all_apart(a);
  else if (a->count > 1)
    keep_element_edge(a, set, element);
  else if (a->count == 1)
    keep_fact(a, a->mentions[0]);
  else
    forget(a);
}

/* Rules are asked in their order: whom one of them names by itself is alike with nobody. */
static void read_rule(LwAlike *a, const LwRule *rule) {
  begin(a);
  for (guint m = 0; m < rule->matches->len; m++) {
    const LwMatch *match = rule->matches->pdata[m];
    for (guint i = 0; i < match->values->len; i++)
      say_value(a, &g_array_index(match->values, LwValue, i));
  }
  for (guint i = 0; i < rule->actions->len; i++) {
    const LwAction *action = rule->actions->pdata[i];
    say_value(a, &action->to);
    say_value(a, &action->to_port);
    say_name(a, action->text);
  }
  set_all_apart(a);
}

static void read_ruleset(LwAlike *a, const LwRuleset *ruleset, guint *sets) {
  for (guint s = 0; s < ruleset->sets->len; s++) {
    const LwSet *set = ruleset->sets->pdata[s];
    guint number = (*sets)++;
    for (guint i = 0; i < set->elements->len; i++)
      read_element(a, set, number, set->elements->pdata[i]);
  }
  for (guint c = 0; c < ruleset->chains->len; c++) {
    const LwChain *chain = ruleset->chains->pdata[c];
    for (guint i = 0; i < chain->rules->len; i++)
      read_rule(a, chain->rules->pdata[i]);
    begin(a);
    for (guint i = 0; i < chain->devices->len; i++)
      say_name(a, chain->devices->pdata[i]);
    set_all_apart(a);
  }
}

static void sort_owned(LwAlike *a) {
  g_array_sort(a->owned, by_first);
  for (guint i = 1; i < a->owned->len; i++) {
    const Own *one = &g_array_index(a->owned, Own, i - 1), *next = one + 1;
    if (one->last >= next->first) {
      set_apart(a, one->group);
      set_apart(a, next->group);
    }
  }
}

void lw_alike_read_world(LwAlike *a) {
  const GPtrArray *list = a->reach->world->list;
  g_autoptr(GHashTable) addresses = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  guint sets = 0;
  sort_owned(a);
  for (guint i = 0; i < list->len; i++) {
    const LwResource *r = list->pdata[i];
    if (!lw_reach_ns(a->reach, r->ns))
      continue;
    if (r->kind == LW_RES_RULESET && r->ruleset)
      read_ruleset(a, r->ruleset, &sets);
    else
      read_resource(a, r, addresses);
  }
}

void lw_alike_tell_apart(LwAlike *a, const LwPrefix *prefix) {
  if (prefix->addr.family != 4)
    return;
  LwRange range = lw_prefix_range(prefix);
  guint32 first = lw_addr_v4(&range.first), last = lw_addr_v4(&range.last);
  const Own *own = owner_of(a, first, last);
  if (own)
    set_apart(a, own->group);
  else
    note_range(a, first, last);
}

void lw_alike_say_begin(LwAlike *a, guint group) {
  begin(a);
  (void)mention(a, group);
}

void lw_alike_say_end(LwAlike *a) {
  guint group = a->mentions[0];
  if (a->too_many) {
    set_all_apart(a);
    return;
  }
  if (a->count == 1) {
    keep_fact(a, group);
    return;
  }
  guint edge = keep_edge(a);
  if (!a->own_edges[group])
    a->own_edges[group] = g_array_new(FALSE, FALSE, sizeof(guint));
  g_array_append_val(a->own_edges[group], edge);
}

/* --- classes
 * ------------------------------------------------------------------------------------------------------ */

static gint by_number(gconstpointer x, gconstpointer y) {
  guint32 a = *(const guint32 *)x, b = *(const guint32 *)y;
  return a < b ? -1 : a > b;
}

static gint by_fact_hash(gconstpointer x, gconstpointer y) {
  const Fact *a = x, *b = y;
  return a->hash < b->hash ? -1 : a->hash > b->hash;
}

/* Between which two of the bounds it lies: whoever lies there is in the same ranges. */
static void say_bounds(LwAlike *a) {
  g_array_sort(a->bounds, by_number);
  guint at = 0;
  for (guint i = 0; i < a->owned->len; i++) {
    const Own *own = &g_array_index(a->owned, Own, i);
    while (at < a->bounds->len && g_array_index(a->bounds, guint32, at) <= own->first)
      at++;
    begin(a);
    word(a, SAYS_BOUND);
    word(a, at);
    keep_fact(a, own->group);
  }
}

static void say_wild_names(LwAlike *a) {
  GHashTableIter wilds, names;
  gpointer wild, name, token;
  g_hash_table_iter_init(&wilds, a->wild_names);
  while (g_hash_table_iter_next(&wilds, &wild, NULL)) {
    g_hash_table_iter_init(&names, a->names);
    while (g_hash_table_iter_next(&names, &name, &token)) {
      if (strncmp(name, wild, strlen(wild) - 1) != 0)
        continue;
      begin(a);
      word(a, SAYS_WILD);
      word(a, text_number(a, wild));
      word(a, ((const Token *)token)->role);
      keep_fact(a, ((const Token *)token)->group);
    }
  }
}

static const Fact *facts_of(const LwAlike *a, guint group, guint *count) {
  *count = a->first_fact[group + 1] - a->first_fact[group];
  return *count ? &g_array_index(a->facts, Fact, a->first_fact[group]) : NULL;
}

static gboolean words_equal(const LwAlike *a, guint start, guint other, guint len) {
  return memcmp(a->words + start, a->words + other, len * sizeof(guint32)) == 0;
}

static gboolean same_is_said(const LwAlike *a, guint group, guint other) {
  guint count, other_count;
  const Fact *facts = facts_of(a, group, &count), *others = facts_of(a, other, &other_count);
  if (count != other_count)
    return FALSE;
  for (guint i = 0; i < count; i++)
    if (facts[i].hash != others[i].hash || facts[i].len != others[i].len ||
        !words_equal(a, facts[i].start, others[i].start, facts[i].len))
      return FALSE;
  return TRUE;
}

static guint64 hash_of_group(const LwAlike *a, guint group) {
  guint count;
  const Fact *facts = facts_of(a, group, &count);
  guint64 hash = count;
  for (guint i = 0; i < count; i++)
    hash = (hash << 9 | hash >> 55) ^ facts[i].hash;
  return hash;
}

static gint by_hash(gconstpointer x, gconstpointer y, gpointer data) {
  const LwAlike *a = data;
  guint64 one = g_array_index(a->edges, Edge, *(const guint *)x).hash;
  guint64 other = g_array_index(a->edges, Edge, *(const guint *)y).hash;
  return one < other ? -1 : one > other;
}

/* Each group's facts beside each other, by their hashes. */
static void sort_facts(LwAlike *a) {
  GArray *sorted = g_array_sized_new(FALSE, FALSE, sizeof(Fact), a->facts->len);
  guint *next = g_new0(guint, a->groups + 2);
  g_array_set_size(sorted, a->facts->len);
  for (guint i = 0; i < a->facts->len; i++)
    next[g_array_index(a->facts, Fact, i).group + 1]++;
  for (guint g = 0; g <= a->groups; g++) {
    next[g + 1] += next[g];
    a->first_fact[g] = next[g];
  }
  for (guint i = 0; i < a->facts->len; i++) {
    const Fact *fact = &g_array_index(a->facts, Fact, i);
    g_array_index(sorted, Fact, next[fact->group]++) = *fact;
  }
  g_free(next);
  g_array_unref(a->facts);
  a->facts = sorted;
  for (guint g = 0; g < a->groups; g++) {
    guint first = a->first_fact[g], count = a->first_fact[g + 1] - first;
    if (count)
      qsort(&g_array_index(sorted, Fact, first), count, sizeof(Fact), by_fact_hash);
  }
}

static void find_classes(LwAlike *a) {
  g_autoptr(GHashTable) known = g_hash_table_new_full(g_int64_hash, number_equal, g_free, NULL);
  for (guint g = 0; g < a->groups; g++) {
    guint64 hash = hash_of_group(a, g);
    gpointer first;
    a->classes[g] = g;
    if (a->apart[g])
      continue;
    if (!g_hash_table_lookup_extended(known, &hash, NULL, &first))
      g_hash_table_insert(known, g_memdup2(&hash, sizeof hash), GUINT_TO_POINTER(g));
    else if (same_is_said(a, g, GPOINTER_TO_UINT(first)))
      a->classes[g] = GPOINTER_TO_UINT(first);
  }
}

void lw_alike_seal(LwAlike *a) {
  GHashTableIter iter;
  gpointer edges;
  say_bounds(a);
  say_wild_names(a);
  sort_facts(a);
  g_hash_table_iter_init(&iter, a->places);
  while (g_hash_table_iter_next(&iter, NULL, &edges))
    g_array_sort_with_data(edges, by_hash, a);
  find_classes(a);
}

guint lw_alike_class(const LwAlike *a, guint group) {
  return a->classes[group];
}

/* --- runs
 * ---------------------------------------------------------------------------------------------------------
 */

static gint by_group(gconstpointer x, gconstpointer y) {
  const Asked *a = x, *b = y;
  return a->place.group < b->place.group ? -1 : a->place.group > b->place.group;
}

/* Edges that the run found without the name of a group's link: it would find the same ones from elsewhere. So
 * whom they speak of may not be renamed. */
static void fix_mentioned(const LwAlike *a, LwAlikeRun *run, const List *list, const SetEdges *edges,
                          gboolean by_token) {
  for (guint i = 0; i < edges->edges->len; i++) {
    const ElementEdge *one = &g_array_index(edges->edges, ElementEdge, i);
    if (list->position != LW_ALL_ELEMENTS) {
      const LwValue *value = &g_array_index(one->element->key, LwValue, list->position);
      if (has_name(value) && (by_token || !g_str_equal(value->name, list->name)))
        continue;
    }
    const Edge *edge = &g_array_index(a->edges, Edge, one->edge);
    for (guint m = 0; m < edge->count; m++)
      g_hash_table_add(run->fixed, GUINT_TO_POINTER(edge->mentions[m] + 1));
  }
}

LwAlikeRun *lw_alike_run_new(const LwAlike *a, guint group, const LwLooked *looked) {
  LwAlikeRun *run = g_new0(LwAlikeRun, 1);
  run->group = group;
  run->asked = g_array_new(FALSE, FALSE, sizeof(Asked));
  run->fixed = g_hash_table_new(NULL, NULL);
  GHashTableIter iter;
  gpointer data;
  g_hash_table_iter_init(&iter, looked->lists);
  while (g_hash_table_iter_next(&iter, &data, NULL)) {
    const List *list = data;
    const SetEdges *edges = g_hash_table_lookup(a->set_edges, list->set);
    if (!edges)
      continue;
    const Token *token = list->position == LW_ALL_ELEMENTS ? NULL : g_hash_table_lookup(a->names, list->name);
    guint32 bits = token ? edges->wild : edges->wild | edges->plain;
    if (list->position >= 32 || (bits & (1u << list->position)))
      fix_mentioned(a, run, list, edges, token != NULL);
    if (!token)
      continue;
    Asked asked = {.place = {list->set, list->position, token->group, token->role}};
    asked.edges = g_hash_table_lookup(a->places, &asked.place);
    g_array_append_val(run->asked, asked);
  }
  g_array_sort(run->asked, by_group);
  return run;
}

void lw_alike_run_free(LwAlikeRun *run) {
  if (!run)
    return;
  g_array_unref(run->asked);
  g_hash_table_unref(run->fixed);
  g_free(run);
}

/* --- renaming
 * ----------------------------------------------------------------------------------------------------- */

static void forget_names(LwAlike *a) {
  for (guint i = 0; i < a->renamed->len; i++) {
    guint group = g_array_index(a->renamed, guint, i);
    a->from[a->to[group]] = NOBODY;
    a->to[group] = NOBODY;
  }
  g_array_set_size(a->renamed, 0);
}

static gboolean may_rename(const LwAlike *a, guint group, guint other) {
  if (a->to[group] != NOBODY || a->from[other] != NOBODY)
    return a->to[group] == other;
  return a->classes[group] == a->classes[other];
}

static void rename_group(LwAlike *a, guint group, guint other) {
  if (a->to[group] != NOBODY)
    return;
  a->to[group] = other;
  a->from[other] = group;
  g_array_append_val(a->renamed, group);
}

/* One of the two may be renamed twice: A to B and, by the same edge, A to C. */
static gboolean rename_edge(LwAlike *a, const Edge *edge, const Edge *other) {
  if (edge->hash != other->hash || edge->len != other->len || edge->count != other->count ||
      !words_equal(a, edge->start, other->start, edge->len))
    return FALSE;
  for (guint m = 0; m < edge->count; m++)
    if (!may_rename(a, edge->mentions[m], other->mentions[m]))
      return FALSE;
  for (guint m = 0; m < edge->count; m++)
    rename_group(a, edge->mentions[m], other->mentions[m]);
  return TRUE;
}

static gboolean is_renamed(const LwAlike *a, const Edge *edge) {
  for (guint m = 0; m < edge->count; m++)
    if (a->to[edge->mentions[m]] == NOBODY)
      return FALSE;
  return TRUE;
}

/* Each edge of a run of the list to one of the others. Those whose groups have their names already first:
 * then whoever is left has no name yet, and any that fits will do. known: only those, or only the rest. */
static gboolean pair_edges(LwAlike *a, const guint *edges, const guint *others, guint count, gboolean known,
                           gboolean *done, gboolean *used) {
  for (guint i = 0; i < count; i++) {
    const Edge *edge = &g_array_index(a->edges, Edge, edges[i]);
    if (done[i] || (known && !is_renamed(a, edge)))
      continue;
    for (guint o = 0; o < count && !done[i]; o++)
      if (!used[o] && rename_edge(a, edge, &g_array_index(a->edges, Edge, others[o])))
        done[i] = used[o] = TRUE;
    if (!done[i])
      return FALSE;
  }
  return TRUE;
}

static guint64 hash_at(const LwAlike *a, const GArray *edges, guint i) {
  return g_array_index(a->edges, Edge, g_array_index(edges, guint, i)).hash;
}

static gboolean pair_all(LwAlike *a, const guint *edges, const guint *others, guint count) {
  if (count == 1)
    return rename_edge(a, &g_array_index(a->edges, Edge, edges[0]),
                       &g_array_index(a->edges, Edge, others[0]));
  gboolean done[ALIKE_MOST] = {FALSE}, used[ALIKE_MOST] = {FALSE};
  return count <= ALIKE_MOST && pair_edges(a, edges, others, count, TRUE, done, used) &&
         pair_edges(a, edges, others, count, FALSE, done, used);
}

/* Both are in the order of their hashes. forced: only what can be paired in one way. */
static gboolean rename_list(LwAlike *a, const GArray *edges, const GArray *others, gboolean forced) {
  if (!edges || !others)
    return edges == others;
  if (edges->len != others->len)
    return FALSE;
  for (guint i = 0, end; i < edges->len; i = end) {
    for (end = i; end < edges->len && hash_at(a, edges, end) == hash_at(a, edges, i); end++)
      if (hash_at(a, others, end) != hash_at(a, edges, i))
        return FALSE;
    if (!(forced && end - i > 1) &&
        !pair_all(a, &g_array_index(edges, guint, i), &g_array_index(others, guint, i), end - i))
      return FALSE;
  }
  return TRUE;
}

/* In the order in which they were said. */
static gboolean rename_said(LwAlike *a, guint group, guint other) {
  const GArray *edges = a->own_edges[group], *others = a->own_edges[other];
  guint count = edges ? edges->len : 0;
  if (count != (others ? others->len : 0))
    return FALSE;
  for (guint i = 0; i < count; i++)
    if (!rename_edge(a, &g_array_index(a->edges, Edge, g_array_index(edges, guint, i)),
                     &g_array_index(a->edges, Edge, g_array_index(others, guint, i))))
      return FALSE;
  return TRUE;
}

/* The lists that the run found by the group's names. */
static gboolean rename_asked(LwAlike *a, const LwAlikeRun *run, guint group, gboolean forced) {
  guint low = 0, high = run->asked->len;
  while (low < high) {
    guint middle = (low + high) / 2;
    if (g_array_index(run->asked, Asked, middle).place.group < group)
      low = middle + 1;
    else
      high = middle;
  }
  for (; low < run->asked->len && g_array_index(run->asked, Asked, low).place.group == group; low++) {
    const Asked *asked = &g_array_index(run->asked, Asked, low);
    Place there = asked->place;
    there.group = a->to[group];
    if (!rename_list(a, asked->edges, g_hash_table_lookup(a->places, &there), forced))
      return FALSE;
  }
  return TRUE;
}

/* Whom the run asked about, though nothing leads there from where it began, keeps its name. */
static gboolean keep_the_rest(LwAlike *a, const LwAlikeRun *run) {
  for (guint i = 0; i < run->asked->len; i++) {
    guint group = g_array_index(run->asked, Asked, i).place.group;
    if (a->to[group] != NOBODY)
      continue;
    if (a->from[group] != NOBODY)
      return FALSE;
    rename_group(a, group, group);
  }
  return TRUE;
}

static gboolean keeps_fixed(const LwAlike *a, const LwAlikeRun *run) {
  for (guint i = 0; i < a->renamed->len; i++) {
    guint group = g_array_index(a->renamed, guint, i), other = a->to[group];
    if (group != other && (g_hash_table_contains(run->fixed, GUINT_TO_POINTER(group + 1)) ||
                           g_hash_table_contains(run->fixed, GUINT_TO_POINTER(other + 1))))
      return FALSE;
  }
  return TRUE;
}

gboolean lw_alike_holds(LwAlike *a, const LwAlikeRun *run, guint group) {
  guint at = 0;
  forget_names(a);
  if (!may_rename(a, run->group, group))
    return FALSE;
  rename_group(a, run->group, group);
  if (!rename_said(a, run->group, group))
    return FALSE;
  for (gboolean rest = FALSE;; rest = TRUE) {
    for (; at < a->renamed->len; at++)
      if (!rename_asked(a, run, g_array_index(a->renamed, guint, at), TRUE) ||
          !rename_asked(a, run, g_array_index(a->renamed, guint, at), FALSE))
        return FALSE;
    if (rest)
      return keeps_fixed(a, run);
    if (!keep_the_rest(a, run))
      return FALSE;
  }
}

guint lw_alike_renamed(const LwAlike *a, guint group) {
  return a->to[group] == NOBODY ? LW_ALIKE_ANY : a->to[group];
}
