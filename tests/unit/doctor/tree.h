/* Trees that look like a host: a sound one, to be broken in one place. */
#pragma once

#include "doctor/seen.h"

/* A fresh folder with a sound Debian 12 host in it: KVM, one NIC on the home LAN, libvirt with two domains,
 * Docker that starts after us, 32 GiB. Transfer full; lw_tree_remove() it. */
char *tree_sound(void);
void tree_write(const char *root, const char *path, const char *text);
void tree_link(const char *root, const char *path, const char *target);
void tree_remove(const char *root, const char *path);
void tree_domain(const char *root, const char *name, guint gib, const char *interfaces);
void tree_nic(const char *root, const char *name, guint mtu, gboolean bridge);
