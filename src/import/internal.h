/* Between the parts of the import. */
#pragma once

#include "audit/findings.h"
#include "import/import.h"

typedef struct {
  const char *config;
  const LwOpn *opn;
  LwAudit *audit;
  const LwAuditWorld *world; /* IPv4 */
  GPtrArray *names;          /* of char*, for each zone: as the file calls it; NULL: it is not in it */
  int management;            /* zone; -1: none */
  LwAddr host;               /* the host's address in it */
  GHashTable *machines;      /* address as text -> name */
  GString *yaml;
  LwImport *out;
} Importing;

void lw_import_note(const Importing *in, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* A name as lab.yaml takes it: "LAN 10 " -> "lan-10". Transfer full. */
char *lw_import_name(const char *text);
/* "192.168.30.20-192.168.30.29", comma and space between. Transfer full. */
char *lw_import_ranges(const LwIpSet *set);

/* tunnels.c */
void lw_import_tunnels(Importing *in);
/* flows.c: the lines of a segment that its packets tell. */
void lw_import_flows(Importing *in, guint zone);
/* import.c */
const char *lw_import_machine(Importing *in, LwAddr address, guint zone); /* made where there is none */
