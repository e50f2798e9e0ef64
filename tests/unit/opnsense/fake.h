/* A server that answers as OPNsense's API is known to: refusals with status 200, a list of gateways that is
 * cached, choices shown as objects, keys that it does not know ignored, an empty body refused; and faults, by
 * the number of the request. */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

typedef enum { FAULT_NONE, FAULT_500, FAULT_HALF, FAULT_HANG_UP, FAULT_401, FAULT_IGNORE } FakeFault;

typedef struct Fake Fake;

Fake *fake_new(GTlsCertificate *certificate /* nullable: plain HTTP */);
void fake_free(Fake *fake);
char *fake_url(Fake *fake); /* transfer full */
/* Puts an item there; kind: of lw_opn_kind. fields is taken. */
void fake_put(Fake *fake, const char *kind, const char *uuid, JsonObject *fields);
/* All items as one text, sorted: to compare. Transfer full. */
char *fake_text(Fake *fake);
/* Every request: "POST firewall/filter/set_rule/UUID", a line each. Transfer full. */
char *fake_log(Fake *fake);
void fake_forget(Fake *fake); /* the log */
/* The fault at the n-th POST from now on, from 1. */
void fake_fault(Fake *fake, guint at, FakeFault fault);
/* How many set_rule requests that name a gateway are refused before the list is read anew. */
void fake_cache(Fake *fake, guint refusals);
/* What its config.xml has beside the items: "<interfaces>…". */
void fake_interfaces(Fake *fake, const char *xml);
void fake_version(Fake *fake, const char *version);
