/* Every key of the file, as data: reading, the check for unknown keys, docs/spec.md and the JSON Schema all
 * come from this one table. */
#pragma once

#include <glib.h>

typedef enum {
  LW_SECTION_TOP,
  LW_SECTION_DEFAULTS,
  LW_SECTION_HOST,
  LW_SECTION_MANAGEMENT,
  LW_SECTION_ROUTER,
  LW_SECTION_API,
  LW_SECTION_ROUTER_CREATE,
  LW_SECTION_SEGMENT,
  LW_SECTION_SEGMENT_HOST,
  LW_SECTION_FORWARD,
  LW_SECTION_MACHINE,
  LW_SECTION_NIC,
  LW_SECTION_CELL,
  LW_SECTION_CREATE,
  LW_SECTION_DISK,
  LW_SECTION_START,
  LW_SECTION_COUNT
} LwSectionId;

typedef struct {
  const char *name; /* of its schema definition */
  const char *path; /* as people write it: "segments.NAME.host" */
  const char *documentation;
} LwSection;

typedef enum {
  LW_TYPE_SECTION,  /* a mapping of its own section */
  LW_TYPE_SECTIONS, /* names -> mappings of one section */
  LW_TYPE_NAME,
  LW_TYPE_INTERFACE,
  LW_TYPE_UPLINK,
  LW_TYPE_TEXT,
  LW_TYPE_DOMAIN,
  LW_TYPE_PATH,
  LW_TYPE_PATHS, /* names -> paths */
  LW_TYPE_INCLUDE,
  LW_TYPE_URL,
  LW_TYPE_CHOICE,
  LW_TYPE_SUBNET,
  LW_TYPE_ADDRESS,
  LW_TYPE_ADDRESSES,
  LW_TYPE_SUBNET_ADDRESS,
  LW_TYPE_SUBNET_PREFIXES,
  LW_TYPE_RANGE,
  LW_TYPE_MAC,
  LW_TYPE_SERVICES, /* names -> ports */
  LW_TYPE_NETWORKS, /* names -> prefixes */
  LW_TYPE_MANAGE,
  LW_TYPE_EGRESS,
  LW_TYPE_PINS,
  LW_TYPE_ALLOW,
  LW_TYPE_FORWARDS,
  LW_TYPE_FORWARD_PORT,
  LW_TYPE_PORT,
  LW_TYPE_BOOLEAN,
  LW_TYPE_NICS,
  LW_TYPE_CELL,
  LW_TYPE_COMMAND,
  LW_TYPE_SIZE,
  LW_TYPE_NUMBER,
  LW_TYPE_PCI,
  LW_TYPE_ASSERTS,
  LW_TYPE_MACHINES,
  LW_TYPE_DURATION,
  LW_TYPE_COUNT
} LwTypeId;

enum { LW_SHAPE_SCALAR = 1, LW_SHAPE_LIST = 2, LW_SHAPE_MAP = 4 };

typedef struct {
  const char *name;   /* for people */
  guint shapes;       /* what it may be in YAML */
  gboolean may_empty; /* "key:" with nothing behind it is an empty list or mapping */
  const char *schema; /* JSON, $SECTION stands for the section's reference; NULL: made from the row */
} LwType;

typedef enum {
  LW_KEY_LAB,
  LW_KEY_DOMAIN,
  LW_KEY_INCLUDE,
  LW_KEY_DEFAULTS,
  LW_KEY_HOST,
  LW_KEY_ROUTER,
  LW_KEY_MANAGE,
  LW_KEY_TUNNELS,
  LW_KEY_SEGMENTS,
  LW_KEY_MACHINES,
  LW_KEY_ASSERT,
  LW_KEY_DEFAULTS_SEGMENT,
  LW_KEY_DEFAULTS_MACHINE,
  LW_KEY_HOST_UPLINK,
  LW_KEY_HOST_BRIDGE,
  LW_KEY_HOST_MANAGEMENT,
  LW_KEY_HOST_SERVICES,
  LW_KEY_HOST_NETWORKS,
  LW_KEY_HOST_ECHO,
  LW_KEY_MANAGEMENT_BRIDGE,
  LW_KEY_MANAGEMENT_SUBNET,
  LW_KEY_MANAGEMENT_ADDRESS,
  LW_KEY_MANAGEMENT_ROUTER,
  LW_KEY_ROUTER_KIND,
  LW_KEY_ROUTER_VM,
  LW_KEY_ROUTER_ADOPT,
  LW_KEY_ROUTER_API,
  LW_KEY_ROUTER_WAN_MAC,
  LW_KEY_ROUTER_CREATE,
  LW_KEY_API_URL,
  LW_KEY_API_KEY_FILE,
  LW_KEY_API_CERTIFICATE,
  LW_KEY_ROUTER_CREATE_IMAGE,
  LW_KEY_ROUTER_CREATE_MEMORY,
  LW_KEY_ROUTER_CREATE_VCPUS,
  LW_KEY_ROUTER_CREATE_DISK,
  LW_KEY_SEGMENT_SUBNET,
  LW_KEY_SEGMENT_BRIDGE,
  LW_KEY_SEGMENT_NETWORK,
  LW_KEY_SEGMENT_ROUTER,
  LW_KEY_SEGMENT_DHCP,
  LW_KEY_SEGMENT_DNS,
  LW_KEY_SEGMENT_DNS_FOREIGN,
  LW_KEY_SEGMENT_EGRESS,
  LW_KEY_SEGMENT_PIN,
  LW_KEY_SEGMENT_ALLOW,
  LW_KEY_SEGMENT_TRUST,
  LW_KEY_SEGMENT_HOST,
  LW_KEY_SEGMENT_FORWARD,
  LW_KEY_SEGMENT_ISOLATE,
  LW_KEY_SEGMENT_HOST_ALLOW,
  LW_KEY_FORWARD_PORT,
  LW_KEY_FORWARD_TO,
  LW_KEY_FORWARD_TO_PORT,
  LW_KEY_MACHINE_KIND,
  LW_KEY_MACHINE_VM,
  LW_KEY_MACHINE_CONTAINER,
  LW_KEY_MACHINE_CELL,
  LW_KEY_MACHINE_COMMAND,
  LW_KEY_MACHINE_CREATE,
  LW_KEY_MACHINE_START,
  LW_KEY_MACHINE_NICS,
  LW_KEY_MACHINE_SEGMENT,
  LW_KEY_MACHINE_ADDRESS,
  LW_KEY_MACHINE_MAC,
  LW_KEY_MACHINE_ADDRESSES,
  LW_KEY_MACHINE_SPOOF,
  LW_KEY_NIC_SEGMENT,
  LW_KEY_NIC_ADDRESS,
  LW_KEY_NIC_MAC,
  LW_KEY_NIC_ADDRESSES,
  LW_KEY_NIC_SPOOF,
  LW_KEY_CELL_COMMAND,
  LW_KEY_CREATE_MEMORY,
  LW_KEY_CREATE_VCPUS,
  LW_KEY_CREATE_DISK,
  LW_KEY_CREATE_CDROM,
  LW_KEY_CREATE_FIRMWARE,
  LW_KEY_CREATE_SEED,
  LW_KEY_CREATE_DEVICES,
  LW_KEY_CREATE_AUTOSTART,
  LW_KEY_DISK_SIZE,
  LW_KEY_DISK_IMAGE,
  LW_KEY_DISK_PATH,
  LW_KEY_START_AFTER,
  LW_KEY_START_DELAY,
  LW_KEY_START_TIMEOUT,
  LW_KEY_COUNT
} LwKeyId;

enum { LW_KEY_REQUIRED = 1, LW_KEY_NO_DEFAULT = 2 /* makes no sense under defaults: */ };

typedef struct {
  LwKeyId id;
  LwSectionId section;
  const char *key;
  LwTypeId type;
  LwSectionId of;      /* LW_TYPE_SECTION and the like */
  const char *choices; /* LW_TYPE_CHOICE: words, separated by spaces, the default first */
  guint flags;
  const char *fallback; /* what holds without the key; NULL: nothing */
  const char *documentation;
  const char *example;
} LwKey;

extern const LwSection lw_sections[LW_SECTION_COUNT];
extern const LwType lw_types[LW_TYPE_COUNT];
extern const LwKey lw_keys[LW_KEY_COUNT];

/* NULL when the section has no such key. */
const LwKey *lw_key_find(LwSectionId section, const char *key);
