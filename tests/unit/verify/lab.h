/* The lab of the design's first page, made by hand, and short ways to write addresses. */
#pragma once

#include "model/model.h"
#include "resource/facts.h"

enum { LAN10, LAN20, LAN30, LAN40, LAN50 };
enum { OVPN, SE, DE, US };

LwAddr test_addr(const char *text);
LwRange test_range(const char *text);
LwLab *test_lab(void);
/* With the addresses that policy would have kept for machines without one: .200 of their segment. */
LwFacts *test_facts(void);
