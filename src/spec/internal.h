/* What the parts of spec/ share while one file is being read. */
#pragma once

#include "spec/keys.h"
#include "spec/yaml.h"

/* The values of one mapping, by key; NULL where it has none (or a wrong one, which was reported). */
typedef struct {
  LwYaml *value[LW_KEY_COUNT];
  gboolean wrong[LW_KEY_COUNT];
} LwFields;

/* An address or more that a machine may use, and where the file says so. */
typedef struct {
  guint segment;
  guint machine;
  LwRange range;
  gboolean shared; /* virtual: several machines may have it */
  LwOrigin origin;
} LwClaim;

typedef struct {
  LwMac mac;
  char *what;
  LwOrigin origin;
} LwMacClaim;

/* What a machine comes after, not looked up yet. */
typedef struct {
  guint machine;
  const LwYaml *after; /* nullable */
} LwPendingStart;

/* A part of the address space that belongs to one zone. */
typedef struct {
  LwPrefix prefix;
  char *what; /* "segment “lan10”" */
  LwOrigin origin;
  gboolean is_network; /* host.networks: tunnels may lie inside */
} LwZoneClaim;

typedef struct {
  LwDiagnostics *diagnostics;
  LwYamlPool *pool;
  LwSpecFlags flags;
  LwSecretStore *store;
  const char *dir; /* of the main file; NULL: no file is opened */
  const char
      *changed; /* nullable: an absolute path, whose content is changed_text instead of what it holds */
  const char *changed_text;
  GHashTable *folders; /* interned file name -> its folder relative to dir, "" for dir itself */
  GHashTable *files;   /* absolute paths that were read */
  LwLab *lab;
  GHashTable *segments, *machines, *tunnels, *services, *networks; /* name -> index + 1 */
  LwFields defaults_segment, defaults_machine;
  GArray *starts;         /* of LwPendingStart: their machines may stand further down */
  GArray *segment_fields; /* of LwFields, beside lab->segments */
  GArray *claims;         /* of LwClaim */
  GArray *macs;           /* of LwMacClaim */
  GArray *zones;          /* of LwZoneClaim */
  GHashTable *interfaces; /* name on the host -> what it is */
} LwSpec;

/* fields.c: mappings and plain values. */

/* Reads a mapping by the key table: unknown keys, wrong shapes and missing required ones are reported (the
 * last at where). what: "segment “lan10”". defaults nullable. */
void lw_spec_fields(LwSpec *spec, const LwYaml *map, LwSectionId section, const LwFields *defaults,
                    gboolean in_defaults, LwOrigin where, const char *what, LwFields *out);
/* The node as a list: its items, or itself alone. Transfer container. */
GPtrArray *lw_spec_items(const LwYaml *node);
/* Index into the row's choices; 0 when the key is absent or wrong. */
guint lw_spec_choice(LwSpec *spec, const LwFields *fields, LwKeyId key);
gboolean lw_spec_boolean(LwSpec *spec, const LwYaml *node, gboolean *out);
/* A copy of a scalar without control characters, NULL (reported) otherwise. */
char *lw_spec_text(LwSpec *spec, const LwYaml *node);
gboolean lw_spec_is_scalar(LwSpec *spec, const LwYaml *node, const char *wanted);
/* A name that the file gives ([a-z][a-z0-9-]*, at most longest bytes, not reserved). */
gboolean lw_spec_name(LwSpec *spec, const LwYaml *node, const char *what, guint longest);
gboolean lw_spec_interface(LwSpec *spec, const LwYaml *node, char **out);
/* Settings of net.ipv4.conf under such a name are every link's (Documentation/networking/ip-sysctl.rst). */
gboolean lw_spec_means_every_link(const char *name);
/* Reserves an interface name on the host; FALSE (reported) when something else has it. */
gboolean lw_spec_take_interface(LwSpec *spec, const char *name, LwOrigin origin, const char *what);
gboolean lw_spec_mac(LwSpec *spec, const LwYaml *node, LwMac *out);
/* Index of a name, LW_NONE when unknown. */
guint lw_spec_lookup(GHashTable *table, const char *name);
/* Adds the table's names to candidates (borrowed). */
void lw_spec_candidates(GHashTable *table, GPtrArray *candidates);

/* values.c: addresses, ports, targets. */

gboolean lw_spec_subnet(LwSpec *spec, const LwYaml *node, LwPrefix *out);
/* A whole IPv4 address. */
gboolean lw_spec_address_whole(LwSpec *spec, const LwYaml *node, LwAddr *out);
/* Short or whole, a machine's: within the subnet, neither its network nor its broadcast address. subnet may
 * be unset (an error elsewhere): then FALSE, silently. */
gboolean lw_spec_address(LwSpec *spec, const LwYaml *node, const LwPrefix *subnet, LwAddr *out);
gboolean lw_spec_range(LwSpec *spec, LwOrigin origin, const char *text, const LwPrefix *subnet, LwRange *out);
/* One "tcp+udp/53", appended to out. */
gboolean lw_spec_ports(LwSpec *spec, LwOrigin origin, const char *text, GArray *out);

typedef enum { LW_IN_ALLOW, LW_IN_HOST_ALLOW, LW_IN_ASSERT_FROM, LW_IN_ASSERT_TO } LwTargetContext;

gboolean lw_spec_target(LwSpec *spec, LwOrigin origin, const char *text, LwTargetContext context,
                        LwTarget *out);
/* segment: whose line it is. */
LwAllow *lw_spec_allow(LwSpec *spec, const LwYaml *node, guint segment, gboolean by_host);
LwAssert *lw_spec_assert(LwSpec *spec, const LwYaml *node);

/* build.c, segments.c, tunnels.c, machines.c: the parts of the lab. */
void lw_spec_build(LwSpec *spec, const LwYaml *root);
void lw_spec_build_segments(LwSpec *spec, const LwYaml *map); /* subnets, bridges, exits */
void lw_spec_build_policy(LwSpec *spec);                      /* pins, allow, forwards: needs machines */
void lw_spec_build_tunnels(LwSpec *spec, const LwYaml *map);
void lw_spec_read_tunnels(LwSpec *spec); /* their WireGuard files: needs the subnets */
void lw_spec_build_machines(LwSpec *spec, const LwYaml *map);
void lw_spec_read_create(LwSpec *spec, const LwYaml *map, LwMachine *machine); /* create.c */
void lw_spec_read_router_create(LwSpec *spec, const LwYaml *map);

/* start.c: one machine's, and what they say of each other when all are known. */
void lw_spec_read_start(LwSpec *spec, const LwYaml *map, guint machine);
void lw_spec_build_starts(LwSpec *spec);

/* check.c: what only the whole shows. */
void lw_spec_check(LwSpec *spec);

/* spec.c */

/* path as a file of the lab names it, made relative to the main file's folder (or left absolute). */
char *lw_spec_relative(LwSpec *spec, const char *file, const char *path);
/* The same as a path to open; NULL when files are not to be opened. */
char *lw_spec_absolute(LwSpec *spec, const char *relative);

/* print.c: a scalar that every YAML reader takes for this text, in block and in flow context. Transfer full.
 */
char *lw_spec_quoted(const char *text);
