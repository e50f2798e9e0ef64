#include "cmd/echo.h"

#include "base/netns.h"
#include "base/process.h"
#include "verify/dns.h"

#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DNS_PORT 53
#define DNS_WAIT_MS 3000
#define HTTP_SECONDS "8"

typedef struct {
  const char *url;
  char *name; /* of the server, a name or an address */
  guint port;
} Service;

static void service_clear(Service *service) {
  g_free(service->name);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Service, service_clear)

/* The file was checked: it is a URL of http or https. */
static Service service_of(const char *url) {
  g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_NONE, NULL);
  gboolean plain = uri && g_str_equal(g_uri_get_scheme(uri), "http");
  int port = uri ? g_uri_get_port(uri) : -1;
  return (Service){url, g_strdup(uri ? g_uri_get_host(uri) : ""), port > 0 ? (guint)port : plain ? 80 : 443};
}

/* --- its address, as the machine's gateway tells it
 * ---------------------------------------------------------------------------------------- */

static int open_socket(const LwProbePlace *place) {
  int previous = place->netns && *place->netns ? lw_netns_enter(place->netns, NULL) : -1;
  if (place->netns && *place->netns && previous < 0)
    return -1;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (previous >= 0)
    lw_netns_leave(previous);
  return fd;
}

static struct sockaddr_in socket_address(const LwAddr *addr, guint16 port) {
  struct sockaddr_in out = {.sin_family = AF_INET, .sin_port = g_htons(port)};
  memcpy(&out.sin_addr, addr->bytes, sizeof out.sin_addr);
  return out;
}

static gboolean ask_gateway(int fd, const LwProbePlace *place, const LwAddr *gateway, const char *name,
                            LwAddr *out) {
  guint8 query[LW_DNS_QUERY_MAX], answer[512];
  guint16 id = (guint16)g_random_int_range(1, G_MAXUINT16);
  gsize length = lw_dns_query(id, name, query);
  struct sockaddr_in own = socket_address(&place->address, 0), to = socket_address(gateway, DNS_PORT);
  if (length == 0 || bind(fd, (struct sockaddr *)&own, sizeof own) != 0 ||
      connect(fd, (struct sockaddr *)&to, sizeof to) != 0 || send(fd, query, length, 0) < 0)
    return FALSE;
  struct pollfd poll_fd = {fd, POLLIN, 0};
  ssize_t got = poll(&poll_fd, 1, DNS_WAIT_MS) == 1 ? recv(fd, answer, sizeof answer, 0) : -1;
  return got > 0 && lw_dns_parse(id, answer, (gsize)got, out) == LW_DNS_ADDRESS;
}

static gboolean find_server(const LwProbePlace *place, const LwAddr *gateway, const Service *service,
                            LwAddr *out) {
  if (lw_addr_parse(service->name, out))
    return TRUE;
  int fd = open_socket(place);
  gboolean found = fd >= 0 && ask_gateway(fd, place, gateway, service->name, out);
  if (fd >= 0)
    close(fd);
  return found;
}

/* --- what it says
 * ----------------------------------------------------------------------------------------------------------
 */

/* Pages say more than an address: the first word that is one counts. */
static LwAddr first_address(const char *text) {
  g_auto(GStrv) words = g_strsplit_set(text ? text : "", " \t\r\n\"',{}<>:=", 256);
  LwAddr addr;
  for (char **word = words; *word; word++)
    if (lw_addr_parse(*word, &addr) && addr.family == 4)
      return addr;
  return LW_ADDR_NONE;
}

/* server: nullable: as the namespace itself resolves names. */
static LwAddr ask(const Service *service, const char *netns, const LwAddr *source, const LwAddr *server) {
  g_autofree char *from = source ? lw_addr_format(source) : NULL,
                  *at = server ? lw_addr_format(server) : NULL;
  g_autofree char *resolve = at ? g_strdup_printf("%s:%u:%s", service->name, service->port, at) : NULL;
  g_autoptr(GPtrArray) argv = g_ptr_array_new();
  const char *const fixed[] = {"curl",           "-4",   "-s", "-f", "-L", "--max-time", HTTP_SECONDS,
                               "--max-filesize", "65536"};
  for (gsize i = 0; i < G_N_ELEMENTS(fixed); i++)
    g_ptr_array_add(argv, (gpointer)fixed[i]);
  const char *const options[][2] = {{"--interface", from}, {"--resolve", resolve}};
  for (gsize i = 0; i < G_N_ELEMENTS(options); i++)
    if (options[i][1]) {
      g_ptr_array_add(argv, (gpointer)options[i][0]);
      g_ptr_array_add(argv, (gpointer)options[i][1]);
    }
  g_ptr_array_add(argv, (gpointer)service->url);
  g_ptr_array_add(argv, NULL);
  LwCommand command = {.argv = (const char *const *)argv->pdata, .netns = netns};
  g_autofree char *out = lw_command_run(&command, NULL);
  return first_address(out);
}

static const LwProbePlace *place_of(const LwVerifyWorld *world, const LwExitCheck *check) {
  for (guint i = 0; i < world->places->len; i++) {
    const LwProbePlace *place = world->places->pdata[i];
    g_autofree char *address = lw_addr_format(&place->address);
    if (place->zone.kind == LW_ZONE_SEGMENT && g_str_equal(address, check->source))
      return place;
  }
  return NULL;
}

static LwAddr ask_from(const LwSession *session, const Service *service, const LwProbePlace *place) {
  LwAddr server;
  const LwAddr *gateway = &lw_lab_segment(session->lab, place->zone.index)->router;
  return find_server(place, gateway, service, &server) ? ask(service, place->netns, &place->address, &server)
                                                       : LW_ADDR_NONE;
}

/* --- what that means
 * ------------------------------------------------------------------------------------------------------- */

static void tell_silent(LwVerifyReport *report, const char *url, const LwExitCheck *check) {
  if (!report->left_out)
    report->left_out = g_ptr_array_new_with_free_func(g_free);
  g_ptr_array_add(report->left_out,
                  g_strdup_printf("how the internet sees %s by %s: %s did not answer with an address",
                                  check->segment, check->exit, url));
}

static void judge(const LwSession *session, const LwAddr *home, const LwAddr *seen, LwExitCheck *check,
                  LwVerifyReport *report) {
  gboolean tunnel = lw_lab_find_tunnel(session->lab, check->exit) != LW_NONE;
  if (!tunnel || !lw_addr_is_set(home) || !lw_addr_equal(home, seen))
    return;
  const LwSegment *segment = lw_lab_segment(session->lab, lw_lab_find_segment(session->lab, check->segment));
  g_autofree char *origin = lw_origin_format(&segment->egress_origin), *address = lw_addr_format(seen);
  check->ok = FALSE;
  g_ptr_array_add(
      report->violations,
      g_strdup_printf("%s (%s) by %s: the internet sees %s, which is the home line's own address; %s",
                      check->segment, check->source, check->exit, address, origin));
}

static gboolean same_way(const LwExitCheck *a, const LwExitCheck *b) {
  return g_str_equal(a->segment, b->segment) && g_str_equal(a->exit, b->exit);
}

static const LwExitCheck *asked_before(const LwVerifyReport *report, guint index) {
  for (guint i = 0; i < index; i++)
    if (same_way(report->exits->pdata[i], report->exits->pdata[index]))
      return report->exits->pdata[i];
  return NULL;
}

void lw_echo_ask(const LwSession *session, const LwVerifyWorld *world, LwVerifyReport *report) {
  const char *url = session->lab->host.echo;
  if (!session->host || !url)
    return;
  g_auto(Service) service = service_of(url);
  LwAddr home = ask(&service, NULL, NULL, NULL);
  for (guint i = 0; i < report->exits->len; i++) {
    LwExitCheck *check = report->exits->pdata[i];
    const LwExitCheck *before = asked_before(report, i);
    const LwProbePlace *place = before || g_str_equal(check->exit, "none") ? NULL : place_of(world, check);
    LwAddr seen = place ? ask_from(session, &service, place) : LW_ADDR_NONE;
    if (before) {
      check->seen = g_strdup(before->seen);
      check->ok &= before->ok;
    } else if (lw_addr_is_set(&seen)) {
      check->seen = lw_addr_format(&seen);
      judge(session, &home, &seen, check, report);
    } else if (place) {
      tell_silent(report, url, check);
    }
  }
}
