/* Any text is either refused with a diagnostic, or a lab that prints and parses to an equal one. Opens no
 * files. */
#include "../unit/spec/lab_equal.h"

#include "spec/spec.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static LwLab *parse(const char *text, gsize length, LwSecretStore *store, GPtrArray *diagnostics) {
  return lw_spec_parse(text, length, "fuzz.yaml", NULL, LW_SPEC_TWIN, store, diagnostics);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  g_autoptr(LwSecretStore) store = lw_secret_store_new(NULL);
  g_autoptr(GPtrArray) diagnostics = g_ptr_array_new_with_free_func((GDestroyNotify)lw_diagnostic_free);
  /* A copy that ends with the buffer: reading past it is seen. */
  g_autofree char *text = g_memdup2(data, size ? size : 1);
  g_autoptr(LwLab) lab = parse(text, size, store, diagnostics);
  gboolean refused = FALSE;
  for (guint i = 0; i < diagnostics->len; i++) {
    const LwDiagnostic *one = diagnostics->pdata[i];
    g_autofree char *formatted = lw_diagnostic_format(one, i % 2);
    refused |= one->is_error;
    if (!g_utf8_validate(formatted, -1, NULL) || strchr(one->message, '\n') || !one->origin.line ||
        !one->origin.column)
      g_error("a diagnostic that cannot be shown: %s", formatted);
  }
  if ((lab == NULL) != refused)
    g_error(lab ? "a lab in spite of errors" : "no lab, and no word why");
  if (!lab)
    return 0;
  g_autofree char *printed = lw_spec_print(lab);
  g_autoptr(LwLab) again = parse(printed, strlen(printed), store, diagnostics);
  if (!again)
    g_error("what was printed is refused (%s):\n%s",
            ((LwDiagnostic *)diagnostics->pdata[diagnostics->len - 1])->message, printed);
  g_autofree char *difference = lab_difference(lab, again);
  if (difference)
    g_error("%s differs, printed as:\n%s", difference, printed);
  return 0;
}
