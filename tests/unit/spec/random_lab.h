/* A right lab, made at random, with as many kinds of lines as there are. */
#pragma once

#include <glib.h>

char *random_lab(GRand *random); /* transfer full */
