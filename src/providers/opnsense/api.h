/* The API of a running OPNsense.
 *
 * What is known of it and not obvious: a refusal comes with status 200 and {"result":"failed"}; some wrong
 * keys are answered with "saved" and ignored, so everything written is read back; lists that validations look
 * at (gateways) are cached for some 20 s, so a refusal that names a gateway is tried again; an empty body
 * with a JSON type is an error. There is no transaction: before an item is changed, what it was is handed to
 * the caller, to be made durable.
 */
#pragma once

#include "providers/opnsense/apikey.h"
#include "providers/opnsense/changes.h"

typedef struct LwOpnApi LwOpnApi;

/* url: "https://192.168.99.1". pin: SHA-256 of the certificate (DER), in hex, the only one that is accepted;
 * NULL: what the system trusts. The key is copied. */
LwOpnApi *lw_opn_api_new(const char *url, const LwOpnKey *key, const char *pin);
void lw_opn_api_free(LwOpnApi *api);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LwOpnApi, lw_opn_api_free)
/* Defaults: 15 s for an answer; 12 further tries, 2 s apart, of what a cache refuses. */
void lw_opn_api_set_patience(LwOpnApi *api, guint timeout_seconds, guint tries, guint pause_ms);

/* From now on each request is made in a child process: for a program that forks, which must not do so once it
 * has the threads of a connection. */
void lw_opn_api_set_apart(LwOpnApi *api);

/* One request: POST, or GET where body is NULL. Transfer full; NULL and error: not reached, refused (with the
 * fields that it refuses), not what OPNsense answers. Errors hold no value that was sent. */
JsonNode *lw_opn_api_call(LwOpnApi *api, const char *path, JsonObject *body /* nullable */, GError **error);
/* The whole config.xml, with all its secrets: free it with lw_secret_clear(). */
char *lw_opn_api_download(LwOpnApi *api, GError **error);
/* The version that runs, "26.7.2". Transfer full. */
char *lw_opn_api_version(LwOpnApi *api, GError **error);
/* Whether lanward knows a version: changes nothing on one that it does not. */
gboolean lw_opn_version_known(const char *version);

/* Ends the flows of an address or a network. */
gboolean lw_opn_api_end(LwOpnApi *api, const char *network, GError **error);
/* How many flows have been ended by now, as OPNsense counts them. */
guint lw_opn_api_ended(const LwOpnApi *api);

/* The fields of an item as get answers it, in the words that set takes: pure. NULL: it is not there. Transfer
 * full. */
JsonObject *lw_opn_api_plain(JsonNode *answer, const char *key);
/* What an item holds now, in the words that set takes. *out NULL: it is not there. */
gboolean lw_opn_api_read(LwOpnApi *api, const LwOpnKind *kind, const char *uuid, JsonObject **out,
                         GError **error);

/* Called with what an item was (fields NULL: not there) before it is changed. Must make it durable; FALSE
 * stops. */
typedef gboolean (*LwOpnKeep)(const LwOpnKind *kind, const char *uuid, JsonObject *fields, gpointer data,
                              GError **error);

/* Makes the changes, reads each back, puts them into force, kills the states of networks (of char*). When one
 * fails, those before it are undone, and the error says whether that worked (LW_ERROR_ROLLED_BACK, else
 * LW_ERROR_FAILED). */
gboolean lw_opn_api_apply(LwOpnApi *api, const GPtrArray *changes, const GPtrArray *networks, LwOpnKeep keep,
                          gpointer data, GError **error);
/* Puts into force what there is of such items, and kills states, without changing any: for whoever finds them
 * changed and does not know whether they were loaded. */
gboolean lw_opn_api_enforce(LwOpnApi *api, const GPtrArray *changes, const GPtrArray *networks,
                            GError **error);
