/* What a running client was started with, kept beside its pid file: the hook reads it, and observe compares
 * it. */
#pragma once

#include "providers/dhcpcd/dhcpcd.h"

typedef struct {
  char *run_dir;
  char *ns; /* "" the one we are in */
  char *link;
  guint32 table;
  gboolean no_route;
  char *home_lan_set; /* NULL: none */
  char *resolv_conf;  /* NULL: none */
  char *hostname;     /* NULL: none */
} LwDhcpSettings;

void lw_dhcp_settings_free(LwDhcpSettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwDhcpSettings, lw_dhcp_settings_free)

/* Refuses names that could not stand in a file's name or in a line of dhcpcd's configuration. */
LwDhcpSettings *lw_dhcp_settings_new(const char *run_dir, const LwDhcpClient *client, GError **error);
gboolean lw_dhcp_settings_save(const LwDhcpSettings *settings, GError **error);
/* LW_ERROR_NOT_FOUND: no client of that link was started, or it was stopped. */
LwDhcpSettings *lw_dhcp_settings_load(const char *run_dir, const char *ns, const char *link, GError **error);
/* The hook's way: by the file's own path. */
LwDhcpSettings *lw_dhcp_settings_load_file(const char *path, GError **error);

/* RUN_DIR/STEM-NS-LINK.EXTENSION; transfer full. */
char *lw_dhcp_path(const char *run_dir, const char *stem, const char *ns, const char *link,
                   const char *extension);
