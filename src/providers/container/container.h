/* Containers as machines: Docker's and Podman's, made with no network of their own (`--network none`).
 *
 * A running container's network namespace is kept under a name of ours (/run/netns), so that the providers
 * that plug cables and ask for leases work in it as in any other. The name carries the namespace's inode. A
 * restart makes another namespace, so another name is wanted then: what hung on the old one goes, and comes
 * anew on the new one, without a word about restarts anywhere else. While we hold the old one its number
 * cannot be given away.
 *
 * Its resolver is written into its /etc/resolv.conf in place: that file is a mount point which the engine
 * keeps, and fills anew at each start. The content before is kept in the run folder and put back when the
 * machine is taken out of the lab.
 */
#pragma once

#include "provider/provider.h"
#include "providers/container/engine.h"

/* Kind CONTAINER. Its undo is the generic one. */
LwProvider *lw_container_provider_new(const LwProviderContext *context, GError **error);

/* Runs argv inside a container that runs (its fact), in all of its namespaces, with our stdin, stdout,
 * stderr; its exit status (128+signal), or -1 and error. */
int lw_container_exec(const LwContainerFact *fact, const char *const *argv, GError **error);
