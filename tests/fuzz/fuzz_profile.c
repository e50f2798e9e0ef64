/* A profile that NetworkManager has, as its own file has it: anybody may have written it. What it is for us,
 * and what a bridge and a port made of it are. */
#include "providers/networkmanager/translate.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* May refuse, and says why; what it makes reads back as what was asked for. */
static void make(LwProfileType type, NMConnection *base) {
  g_autoptr(LwResource) asked = lw_resource_new(LW_RES_PROFILE, NULL, "lanward-x");
  g_autoptr(GError) error = NULL;
  asked->profile_type = type;
  asked->link = g_strdup("br0");
  asked->alias = g_strdup("lanward");
  asked->mac = lw_mac_derive("x");
  if (type == LW_PROFILE_PORT)
    asked->master = g_strdup("br1");
  g_autoptr(NMConnection) made = lw_nm_to_connection(asked, base, &error);
  if ((made == NULL) != (error != NULL))
    g_error("a connection in spite of an error, or none and no word why");
  if (!made)
    return;
  g_autoptr(LwResource) back = lw_nm_from_connection(made);
  if (back->profile_type != type || g_strcmp0(back->link, "br0") != 0 ||
      g_strcmp0(back->alias, "lanward") != 0)
    g_error("it is not what was asked for");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  g_autoptr(GKeyFile) file = g_key_file_new();
  if (!g_key_file_load_from_data(file, (const char *)data, size, 0, NULL))
    return 0;
  g_autoptr(NMConnection) connection =
      nm_keyfile_read(file, "/", NM_KEYFILE_HANDLER_FLAGS_NONE, NULL, NULL, NULL);
  if (!connection || !nm_connection_normalize(connection, NULL, NULL, NULL))
    return 0;
  g_autoptr(LwResource) seen = lw_nm_from_connection(connection);
  g_autoptr(JsonNode) json = lw_resource_to_json(seen);
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResource) again = lw_resource_from_json(json, &error);
  if (!again || !lw_resource_equal(seen, again))
    g_error("a profile differs when it was told: %s", error ? error->message : "");
  make(LW_PROFILE_BRIDGE, connection);
  make(LW_PROFILE_PORT, connection);
  return 0;
}
