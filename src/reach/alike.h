/* Parts of a world that are alike: what a run through one came to, a run through another comes to as well.
 *
 * A group is a part that has names and addresses of its own (a segment: its links, its ports' MACs, its
 * prefix). Everything in the world says something of no group, of one, or of several. Two groups are of one
 * class when the same is said of each of them alone. A run through one holds for another of its class, when a
 * renaming of groups takes all that the run looked at and that speaks of several groups to what it would look
 * at there: packets, links and places are renamed with it, and the kernel treats them the same, since nothing
 * else in the world tells groups of one class apart. What could is taken to: groups that a rule names by
 * itself, or that something overlaps in part, are alike with nobody. So a TRUE is exact, and a FALSE says
 * only that it is not known.
 *
 * Order: lw_alike_new(); what each group owns; lw_alike_read_world(); what is said beside the world;
 * lw_alike_seal(); then questions.
 */
#pragma once

#include "reach/reach.h"

typedef struct LwAlike LwAlike;

/* reach: borrowed. Groups are numbered from 0. */
LwAlike *lw_alike_new(LwReach *reach, guint groups);
void lw_alike_free(LwAlike *alike);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwAlike, lw_alike_free)

/* Names and MACs correspond to each other by their role. What two groups claim is nobody's, and either is
 * alike with nobody. prefix: of IPv4, one a group; addresses correspond by their place in it. */
void lw_alike_own_prefix(LwAlike *alike, guint group, const LwPrefix *prefix);
void lw_alike_own_link(LwAlike *alike, guint group, guint role, const char *name);
void lw_alike_own_mac(LwAlike *alike, guint group, guint role, const LwMac *mac);
void lw_alike_read_world(LwAlike *alike);
/* A range that is asked about for everybody, beside the world: whom it contains is not like whom it does not.
 * An unset prefix is nothing. */
void lw_alike_tell_apart(LwAlike *alike, const LwPrefix *prefix);

/* One more thing that is true of a group, word by word; the same words in the same order are said of groups
 * that shall be alike. It may speak of others by their ranges or as such. */
void lw_alike_say_begin(LwAlike *alike, guint group);
void lw_alike_say_number(LwAlike *alike, guint32 number);
void lw_alike_say_range(LwAlike *alike, const LwRange *range);
void lw_alike_say_addr(LwAlike *alike, const LwAddr *addr /* may be unset */);
void lw_alike_say_group(LwAlike *alike, guint group);
void lw_alike_say_end(LwAlike *alike);
void lw_alike_seal(LwAlike *alike);

/* Equal for two groups of one class. */
guint lw_alike_class(const LwAlike *alike, guint group);
/* Number of a link's role in its group; FALSE: it is no group's. */
gboolean lw_alike_role(const LwAlike *alike, const char *link, guint *group, guint *role);

/* A run from a place of the group, by what it looked at (lw_reach_watch()). */
typedef struct LwAlikeRun LwAlikeRun;
LwAlikeRun *lw_alike_run_new(const LwAlike *alike, guint group, const LwLooked *looked);
void lw_alike_run_free(LwAlikeRun *run);
/* Does it hold for a run from the same place of the other group? */
gboolean lw_alike_holds(LwAlike *alike, const LwAlikeRun *run, guint group);
/* After that, when it did: whom a group was renamed to. LW_ALIKE_ANY: to whomever of its class is left. */
#define LW_ALIKE_ANY G_MAXUINT
guint lw_alike_renamed(const LwAlike *alike, guint group);
