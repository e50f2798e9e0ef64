/* Puts a test's whole process into user, network, mount and pid namespaces of its own, so that nothing it
 * does can reach the machine, and everything goes with it. */
#pragma once

/* Call it first in main(), before any thread. Exits with 77 (skipped) where user namespaces are refused. */
void lw_sandbox_enter(void);
/* A tmpfs of the sandbox. */
const char *lw_sandbox_folder(void);
