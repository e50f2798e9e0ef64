/* What a lab wants of NetworkManager, in the world of tests/tools/nm_world. */
#pragma once

#include "resource/resource.h"

#define LW_TEST_OWNER "lanward"

/* br0 over enp1s0. */
LwResourceSet *lw_test_uplink(void);
/* br-mgmt with so many routes. */
LwResourceSet *lw_test_management(guint routes);
