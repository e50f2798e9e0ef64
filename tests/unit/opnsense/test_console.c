/* The console's machine against scripts: as it goes, and as it goes wrong. */
#include "providers/opnsense/console.h"

#include <string.h>

static const char boot[] = "\033[2J\033[H/boot/kernel/kernel text=0x1234\r\nMounting filesystems...\r\n";
static const char offer[] = "Press any key to start the configuration importer: .";
static const char question[] =
    "\r\n\r\nvtbd0 <disk>\r\nvtbd1 <disk>\r\n\r\nSelect device to import from (e.g. "
    "ada0) or leave blank to exit: ";
static const char done[] =
    "vtbd1\r\n\r\nStarting import for partition '/dev/vtbd1'.\r\n\r\nRestoring config.xml...done.\r\n"
    "Configuring interfaces...done.\r\n\r\n*** router.homelab.internal: OPNsense 26.7.2 ***\r\n\r\n"
    " HTTPS: SHA256 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F\r\n"
    "               10 11 12 13 14 15 16 17 18 19 1A 1B 1C 1D 1E FF\r\n\r\n"
    "FreeBSD/amd64 (router.homelab.internal) (ttyu0)\r\n\r\nlogin: ";

static void expect(LwConsole *console, const char *said, const char *typed, LwConsoleState state,
                   gint64 now) {
  g_autofree char *got = lw_console_feed(console, said, strlen(said), now);
  g_assert_cmpstr(got, ==, typed);
  g_assert_cmpint(lw_console_state(console), ==, state);
}

static void test_whole(void) {
  g_autoptr(LwConsole) console = lw_console_new("vtbd1", NULL, 0);
  expect(console, boot, NULL, LW_CONSOLE_BOOTING, 20);
  expect(console, offer, "\n", LW_CONSOLE_OFFERED, 60);
  expect(console, question, "vtbd1\n", LW_CONSOLE_ANSWERED, 62);
  expect(console, done, NULL, LW_CONSOLE_READY, 120);
  g_assert_true(lw_console_check(console, NULL));
  g_assert_cmpstr(lw_console_certificate(console), ==,
                  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff");
}

/* Before it reads, a key would be lost, or wait to answer the next question. */
static void test_patience(void) {
  g_autoptr(LwConsole) console = lw_console_new("vtbd1", NULL, 0);
  expect(console, "Press any key to start the configuration importer: ", NULL, LW_CONSOLE_BOOTING, 1);
  expect(console, ".", "\n", LW_CONSOLE_OFFERED, 2);
  expect(console, "\r\nSelect device to import from (e.g. ada0)", NULL, LW_CONSOLE_OFFERED, 3);
  expect(console, " or leave blank to exit: ", "vtbd1\n", LW_CONSOLE_ANSWERED, 3);
}

/* However the bytes are cut, the same is typed, once. */
static void test_cut(void) {
  g_autofree char *all = g_strconcat(boot, offer, question, done, NULL);
  for (gsize step = 1; step < 80; step++) {
    g_autoptr(LwConsole) console = lw_console_new("vtbd1", NULL, 0);
    g_autoptr(GString) typed = g_string_new(NULL);
    for (gsize at = 0; at < strlen(all); at += step) {
      g_autofree char *got = lw_console_feed(console, all + at, MIN(step, strlen(all) - at), 1);
      g_string_append(typed, got ? got : "");
    }
    g_assert_cmpstr(typed->str, ==, "\nvtbd1\n");
    g_assert_cmpint(lw_console_state(console), ==, LW_CONSOLE_READY);
  }
}

static void check_failed(LwConsole *console, const char *why, const char *screen) {
  g_autoptr(GError) error = NULL;
  g_assert_cmpint(lw_console_state(console), ==, LW_CONSOLE_FAILED);
  g_assert_false(lw_console_check(console, &error));
  g_assert_nonnull(strstr(error->message, why));
  g_assert_nonnull(strstr(error->message, screen));
  g_assert_null(strchr(error->message, '\033'));
}

static void test_late(void) {
  static const guint limits[] = {100, 10, 50};
  g_autoptr(LwConsole) first = lw_console_new("vtbd1", limits, 1000);
  expect(first, boot, NULL, LW_CONSOLE_BOOTING, 1100);
  expect(first, "", NULL, LW_CONSOLE_FAILED, 1101);
  check_failed(first, "offer did not come", "Mounting filesystems");
  g_autoptr(LwConsole) second = lw_console_new("vtbd1", limits, 0);
  expect(second, offer, "\n", LW_CONSOLE_OFFERED, 99);
  expect(second, "", NULL, LW_CONSOLE_OFFERED, 109);
  expect(second, "", NULL, LW_CONSOLE_FAILED, 110);
  check_failed(second, "question did not come", "importer");
  g_autoptr(LwConsole) third = lw_console_new("vtbd1", limits, 0);
  expect(third, offer, "\n", LW_CONSOLE_OFFERED, 1);
  expect(third, question, "vtbd1\n", LW_CONSOLE_ANSWERED, 2);
  expect(third, "Configuring", NULL, LW_CONSOLE_FAILED, 53);
  check_failed(third, "did not end in time", "Configuring");
}

static void test_wrong(void) {
  g_autoptr(LwConsole) old = lw_console_new("vtbd1", NULL, 0);
  expect(old, "FreeBSD/amd64 (router.lab) (ttyu0)\r\n\r\nlogin: ", NULL, LW_CONSOLE_FAILED, 5);
  check_failed(old, "without asking", "router.lab");
  g_autoptr(LwConsole) empty = lw_console_new("vtbd1", NULL, 0);
  expect(empty, offer, "\n", LW_CONSOLE_OFFERED, 1);
  expect(empty, question, "vtbd1\n", LW_CONSOLE_ANSWERED, 2);
  expect(empty, question, NULL, LW_CONSOLE_FAILED, 3);
  check_failed(empty, "conf/config.xml", "Select device");
  static const char *const troubles[][2] = {
      {"\r\nNo known partition layout was found for 'vtbd1'.\r\n", "does not find the medium"},
      {"\r\nThe device could not be mounted.\r\n", "cannot read the medium"},
      {"\r\nThe file /conf/config.xml could not be found.\r\n", "does not find conf/config.xml"},
      {"\r\nPress any key to start the manual interface assignment: ", "network cards"},
      {"\r\nlogin: ", "without having taken the configuration over"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(troubles); i++) {
    g_autoptr(LwConsole) each = lw_console_new("vtbd1", NULL, 0);
    expect(each, offer, "\n", LW_CONSOLE_OFFERED, 1);
    expect(each, question, "vtbd1\n", LW_CONSOLE_ANSWERED, 2);
    expect(each, troubles[i][0], NULL, LW_CONSOLE_FAILED, 3);
    check_failed(each, troubles[i][1], "");
    g_assert_null(lw_console_certificate(each));
  }
  g_autoptr(LwConsole) broken = lw_console_new("vtbd1", NULL, 0);
  expect(broken, "\r\nmountroot> ", NULL, LW_CONSOLE_FAILED, 3);
  check_failed(broken, "does not boot", "mountroot>");
}

/* A console that prints without end, or prints orders to terminals, fills nothing and gets no answer. */
static void test_hostile(void) {
  g_autoptr(LwConsole) console = lw_console_new("vtbd1", NULL, 0);
  g_autofree char *noise = g_strnfill(100000, 'x');
  expect(console, noise, NULL, LW_CONSOLE_BOOTING, 1);
  expect(console, "\033[31;99999999999", NULL, LW_CONSOLE_BOOTING, 2);
  expect(console, "m\033]0;configuration\033\\", NULL, LW_CONSOLE_BOOTING, 3);
  expect(console, "", NULL, LW_CONSOLE_FAILED, 1000);
  g_autoptr(GError) error = NULL;
  g_assert_false(lw_console_check(console, &error));
  g_assert_cmpuint(strlen(error->message), <, 8000);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/opnsense/console/whole", test_whole);
  g_test_add_func("/opnsense/console/patience", test_patience);
  g_test_add_func("/opnsense/console/cut", test_cut);
  g_test_add_func("/opnsense/console/late", test_late);
  g_test_add_func("/opnsense/console/wrong", test_wrong);
  g_test_add_func("/opnsense/console/hostile", test_hostile);
  return g_test_run();
}
