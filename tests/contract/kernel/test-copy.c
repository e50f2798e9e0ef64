/* A copy of a namespace does what the namespace would do, and the namespace does not notice. */
#include "base/netns.h"
#include "base/process.h"
#include "providers/kernel/copy.h"

#include "tests/unit/kernel/sandbox.h"

#include <net/if.h>
#include <string.h>
#include <unistd.h>

static char *ip(const char *line) {
  g_autofree char *command = g_strdup_printf("ip %s", line);
  g_auto(GStrv) argv = g_strsplit(command, " ", -1);
  const LwCommand run = {.argv = (const char *const *)argv};
  g_autoptr(GError) error = NULL;
  char *out = lw_command_run(&run, &error);
  g_assert_no_error(error);
  return out;
}

static const char *const router[] = {
    "netns add router",
    "link add lw-a type veth peer name a netns router",
    "link add lw-wan type veth peer name wan netns router",
    "link add lw-t type veth peer name wg-t netns router",
    "-n router addr add 192.168.10.1/24 dev a",
    "-n router addr add 192.168.1.2/24 dev wan",
    "-n router addr add 10.8.0.2/24 dev wg-t",
    "-n router link set dev lo up",
    "-n router link set dev a up",
    "-n router link set dev wan up",
    "-n router link set dev wg-t up",
    "link set dev lw-a up",
    "link set dev lw-wan up",
    "link set dev lw-t up",
    "-n router route add default via 192.168.1.1",
    "-n router route add default via 10.8.0.1 table 9",
    "-n router route add prohibit default metric 4000 table 9",
    "-n router rule add from 192.168.10.0/24 lookup 9 pref 100",
    "-n router rule add prohibit pref 30000",
    "netns exec router sysctl -qw net.ipv4.ip_forward=1",
};

static void make_router(void) {
  for (guint i = 0; i < G_N_ELEMENTS(router); i++)
    g_free(ip(router[i]));
}

/* A datagram of 192.168.10.31 to 8.8.4.4, without a checksum of its own. */
static const guint8 datagram[] = {0x45, 0,  0, 28, 0, 0, 0,    0,    64, 17,   0, 0, 192, 168,
                                  10,   31, 8, 8,  4, 4, 0x4e, 0x20, 1,  0xbb, 0, 8, 0,   0};

static guint16 header_sum(const guint8 *at) {
  guint32 sum = 0;
  for (guint i = 0; i < 20; i += 2)
    sum += (guint32)(at[i] << 8 | at[i + 1]);
  while (sum >> 16)
    sum = (sum & 0xffff) + (sum >> 16);
  return (guint16)~sum;
}

static void note(const char *link, const guint8 *packet, gsize length, gpointer data) {
  if (length >= 20 && packet[9] == 17 && packet[16] == 8)
    g_string_append_printf(data, "%s ", link);
}

/* By which links the datagram left. */
static char *way_of_it(LwNetCopy *copy) {
  guint8 packet[sizeof datagram];
  memcpy(packet, datagram, sizeof packet);
  guint16 sum = header_sum(packet);
  packet[10] = (guint8)(sum >> 8);
  packet[11] = (guint8)sum;
  GString *way = g_string_new(NULL);
  g_assert_true(lw_net_copy_send(copy, "a", packet, sizeof packet));
  lw_net_copy_receive(copy, 50, note, way);
  return g_string_free(way, FALSE);
}

static void assert_way(LwNetCopy *copy, const char *expected) {
  g_autofree char *way = way_of_it(copy);
  g_assert_cmpstr(way, ==, expected);
}

static void test_copy(void) {
  g_autoptr(GError) error = NULL;
  make_router();
  g_autofree char *before = ip("-n router route show table all");
  g_autoptr(LwNetCopy) copy = lw_net_copy_new("router", &error);
  g_assert_no_error(error);
  assert_way(copy, "wg-t ");
  g_assert_true(lw_net_copy_add_link(copy, "witness", &error));
  g_assert_true(lw_net_copy_set_up(copy, "wg-t", FALSE, &error));
  assert_way(copy, ""); /* the route that refuses */
  g_assert_true(lw_net_copy_catch(copy, "witness", TRUE, &error));
  assert_way(copy, "");
  g_assert_true(lw_net_copy_catch(copy, "witness", FALSE, &error));
  gboolean up = lw_net_copy_set_up(copy, "wg-t", TRUE, &error);
  g_assert_no_error(error);
  g_assert_true(up);
  assert_way(copy, "wg-t "); /* its routes are back */
  g_assert_no_error(error);
  g_assert_true(lw_net_copy_lead(copy, "a", "wan", TRUE, &error));
  assert_way(copy, "wan ");
  g_assert_true(lw_net_copy_lead(copy, "a", "wan", FALSE, &error));
  assert_way(copy, "wg-t ");
  g_assert_no_error(error);
  g_clear_pointer(&copy, lw_net_copy_free);
  g_autofree char *after = ip("-n router route show table all");
  g_assert_cmpstr(before, ==, after);
}

/* Without the route that refuses, the last rule does; and what is behind the exit's routes is caught. */
static void test_caught(void) {
  g_autoptr(GError) error = NULL;
  g_free(ip("-n router route delete prohibit default metric 4000 table 9"));
  g_autoptr(LwNetCopy) copy = lw_net_copy_new("router", &error);
  g_assert_no_error(error);
  g_assert_true(lw_net_copy_add_link(copy, "witness", &error));
  g_assert_true(lw_net_copy_set_up(copy, "wg-t", FALSE, &error));
  assert_way(copy, "");
  g_assert_true(lw_net_copy_catch(copy, "witness", TRUE, &error));
  assert_way(copy, "witness ");
  g_assert_no_error(error);
}

static void test_none(void) {
  g_autoptr(GError) error = NULL;
  g_assert_null(lw_net_copy_new("nobody", &error));
  g_assert_nonnull(error);
}

int main(int argc, char **argv) {
  lw_sandbox_enter();
  if (access("/dev/net/tun", R_OK | W_OK) != 0) {
    g_print("1..0 # SKIP /dev/net/tun cannot be opened\n");
    return 0;
  }
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/kernel/copy/way", test_copy);
  g_test_add_func("/kernel/copy/caught", test_caught);
  g_test_add_func("/kernel/copy/none", test_none);
  return g_test_run();
}
