/* Runs a fuzz target over files and folders of files, for compilers without libFuzzer and for the test suite.
 * With clang: -fsanitize=fuzzer,address and this file left out. */
#include <glib.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static guint run_file(const char *path) {
  g_autofree char *text = NULL;
  gsize length;
  g_autoptr(GError) error = NULL;
  if (!g_file_get_contents(path, &text, &length, &error))
    g_error("%s", error->message);
  LLVMFuzzerTestOneInput((const uint8_t *)text, length);
  /* Cut short anywhere it must hold as well; and with a byte changed. */
  for (gsize i = 1; i < 64; i++) {
    gsize at = length * i / 64;
    LLVMFuzzerTestOneInput((const uint8_t *)text, at);
    if (at < length) {
      char kept = text[at];
      text[at] = (char)(kept ^ (char)(1u << (i % 7)));
      LLVMFuzzerTestOneInput((const uint8_t *)text, length);
      text[at] = kept;
    }
  }
  return 1;
}

static guint run_path(const char *path) {
  g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
  if (!folder)
    return run_file(path);
  guint count = 0;
  const char *name;
  while ((name = g_dir_read_name(folder))) {
    g_autofree char *inner = g_build_filename(path, name, NULL);
    count += run_path(inner);
  }
  return count;
}

int main(int argc, char **argv) {
  guint count = 0;
  for (int i = 1; i < argc; i++)
    count += run_path(argv[i]);
  printf("%u seeds\n", count);
  return count ? 0 : 1;
}
