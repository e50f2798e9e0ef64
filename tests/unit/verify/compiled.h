/* A lab as a twin would have it, without one: all that its file asks for. */
#pragma once

#include "resource/facts.h"
#include "resource/resource.h"
#include "spec/spec.h"

typedef struct {
  LwLab *lab;
  LwFacts *facts;
  LwResourceSet *wanted;
} Compiled;

/* NULL when the file is wrong. */
LwLab *compiled_parse(const char *text, const char *name);
/* lab: transfer full. after: nullable; the lab that is in force, whose numbers are kept. */
Compiled compiled_new(LwLab *lab, const Compiled *after);
void compiled_clear(Compiled *compiled);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Compiled, compiled_clear)
