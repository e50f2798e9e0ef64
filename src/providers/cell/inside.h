/* Between the files of this folder. */
#pragma once

#include <glib.h>

/* What a cell is told at its start. */
typedef struct {
  const char *name;
  const char *folder;      /* empty, ours: the private root is made on it */
  const char *const *argv; /* NULL-terminated; argv[0] NULL: nothing but init */
  const char *network;     /* see LW_CELL_NETWORK */
} LwCellPlan;

/* Inside the cell: a line "dns ADDRESS" or "dns -", then one "NIC dhcp" or "NIC static" for each NIC in
 * order. Init reads it at its start, and again at SIGHUP. */
#define LW_CELL_NETWORK "/run/cell-network"

/* Turns the calling process's mount namespace, its own, into the cell's private root. */
gboolean lw_cell_root(const LwCellPlan *plan, GError **error);

/* Pid 1 of the cell: in its namespaces but the mounts. Tells control whether it could start, then stays. */
void lw_cell_init(const LwCellPlan *plan, int control) G_GNUC_NORETURN;
