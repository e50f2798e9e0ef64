/* drops: what the rules refuse, as it happens: who, which packet, and what the file says of it. */
#include "cmd/flows.h"

#include "policy/names.h"
#include "policy/rules_common.h"
#include "providers/nft/nflog.h"

#include <glib-unix.h>
#include <stdio.h>
#include <string.h>

typedef struct {
  const LwSession *session;
  GMainLoop *loop;
  int status;
} Watch;

typedef struct {
  Watch *watch;
  LwPacketLog *log;
} Source;

static guint segment_of(const LwLab *lab, const LwAddr *addr) {
  for (guint i = 0; i < lab->segments->len; i++)
    if (lw_prefix_contains(&lw_lab_segment(lab, i)->subnet, addr))
      return i;
  return LW_NONE;
}

/* The name of the machine that has the address, or of the place it belongs to. Transfer full. */
static char *who_has(const LwSession *session, const LwAddr *addr) {
  for (guint m = 0; m < session->lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(session->lab, m)->nics->len; n++) {
      LwAddr own = lw_nic_address(session->lab, session->facts, m, n);
      if (lw_addr_equal(&own, addr))
        return g_strdup(lw_lab_machine(session->lab, m)->name);
    }
  if (lw_addr_equal(addr, &session->lab->host.management.address))
    return g_strdup("host");
  guint segment = segment_of(session->lab, addr);
  if (segment != LW_NONE)
    return g_strdup(lw_addr_equal(addr, &lw_lab_segment(session->lab, segment)->router)
                        ? "router"
                        : lw_lab_segment(session->lab, segment)->name);
  return g_strdup("outside");
}

/* The machine whose port of the host's bridges this is. NULL: none of them. */
static const char *machine_at_port(const LwSession *session, const char *port) {
  for (guint m = 0; m < session->lab->machines->len; m++)
    for (guint n = 0; n < lw_lab_machine(session->lab, m)->nics->len; n++)
      if (lw_nic_has_port(session->lab, session->facts, m, n, port))
        return lw_lab_machine(session->lab, m)->name;
  return NULL;
}

typedef struct {
  LwAddr source, destination;
  LwProto proto;
  guint8 number;
  guint16 port;
} Header;

/* IPv4 header (RFC 791) and the destination port behind it. */
static gboolean parse_header(const guint8 *p, gsize length, Header *header) {
  if (length < 20 || p[0] >> 4 != 4)
    return FALSE;
  gsize ihl = (gsize)(p[0] & 15) * 4;
  *header = (Header){.number = p[9], .proto = LW_PROTO_ANY};
  guint32 addr[2];
  memcpy(addr, p + 12, sizeof addr);
  header->source = lw_addr_from_v4(g_ntohl(addr[0]));
  header->destination = lw_addr_from_v4(g_ntohl(addr[1]));
  header->proto = p[9] == 1    ? LW_PROTO_ICMP
                  : p[9] == 6  ? LW_PROTO_TCP
                  : p[9] == 17 ? LW_PROTO_UDP
                               : LW_PROTO_ANY;
  if ((header->proto == LW_PROTO_TCP || header->proto == LW_PROTO_UDP) && ihl >= 20 && length >= ihl + 4)
    header->port = (guint16)(p[ihl + 2] << 8 | p[ihl + 3]);
  return TRUE;
}

/* What the file says of such a flow; NULL when the packet is no opening of one. Transfer full. */
static char *file_says(const LwSession *session, const Header *header) {
  LwFlowQuestion question = {.from = lw_session_zone_of(session, &header->source),
                             .to = lw_session_zone_of(session, &header->destination),
                             .source = header->source,
                             .destination = header->destination,
                             .proto = header->proto,
                             .port = header->port};
  LwFlowAnswer answer = {0};
  lw_intent_answer(session->lab, session->facts, &question, &answer);
  g_autofree char *origin = lw_origin_format(&answer.origin);
  char *text = answer.allow
                   ? NULL
                   : g_strdup_printf("%s (%s)", answer.reason ? answer.reason : "nothing allows it", origin);
  lw_flow_answer_clear(&answer);
  return text;
}

static void print_json_drop(const char *machine, const LwLoggedPacket *packet, const Header *header,
                            const char *says) {
  JsonObject *object = json_object_new();
  json_object_set_string_member(object, "machine", machine);
  json_object_set_string_member(object, "rule", packet->prefix);
  json_object_set_string_member(object, "in", packet->in);
  json_object_set_string_member(object, "out", packet->out);
  if (header) {
    g_autofree char *source = lw_addr_format(&header->source);
    g_autofree char *destination = lw_addr_format(&header->destination);
    json_object_set_string_member(object, "src", source);
    json_object_set_string_member(object, "dst", destination);
    json_object_set_int_member(object, "protocol", header->number);
    json_object_set_int_member(object, "dport", header->port);
  }
  if (says)
    json_object_set_string_member(object, "file", says);
  json_object_set_string_member(object, "format_version", LW_FORMAT_VERSION);
  g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
  json_node_take_object(root, object);
  g_autofree char *text = json_to_string(root, FALSE); /* a line each: it is a stream */
  g_print("%s\n", text);
}

static void print_one(const LwLoggedPacket *packet, gpointer data) {
  const LwSession *session = ((Source *)data)->watch->session;
  Header header;
  gboolean parsed = parse_header(packet->payload, packet->length, &header);
  const char *at_port = machine_at_port(session, packet->in);
  g_autofree char *machine = at_port  ? g_strdup(at_port)
                             : parsed ? who_has(session, &header.source)
                                      : g_strdup(packet->in);
  g_autofree char *says = parsed && !at_port ? file_says(session, &header) : NULL;
  const char *rule = g_str_has_prefix(packet->prefix, "lanward ") ? packet->prefix + 8 : packet->prefix;
  if (session->invocation->json) {
    print_json_drop(machine, packet, parsed ? &header : NULL, says);
    return;
  }
  if (!parsed) {
    g_print("%-12s not IPv4, %s\n", machine, rule);
    return;
  }
  g_autofree char *source = lw_addr_format(&header.source);
  g_autofree char *destination = lw_addr_format(&header.destination);
  g_autofree char *to = who_has(session, &header.destination);
  g_autofree char *port = header.port ? g_strdup_printf("/%u", header.port) : g_strdup("");
  g_print("%-12s %s -> %s (%s) %s%s: %s%s%s\n", machine, source, destination, to, lw_proto_name(header.proto),
          port, rule, says ? ": " : "", says ? says : "");
}

static void print_drop(const LwLoggedPacket *packet, gpointer data) {
  print_one(packet, data);
  fflush(stdout); /* it is watched as it happens, by a pipe too */
}

static gboolean on_readable(int fd, GIOCondition condition, gpointer data) {
  (void)fd;
  (void)condition;
  Source *source = data;
  g_autoptr(GError) error = NULL;
  if (lw_packet_log_read(source->log, print_drop, source, &error))
    return G_SOURCE_CONTINUE;
  source->watch->status = lw_fail(error);
  g_main_loop_quit(source->watch->loop);
  return G_SOURCE_REMOVE;
}

static gboolean on_signal(gpointer data) {
  g_main_loop_quit(data);
  return G_SOURCE_CONTINUE;
}

static int drops_inside(LwSession *session) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
  Watch watch = {.session = session, .loop = loop};
  Source sources[2] = {{&watch, lw_packet_log_open("", LW_LOG_GROUP, &error)}, {&watch, NULL}};
  if (sources[0].log)
    sources[1].log = lw_packet_log_open(session->facts->router_ns, LW_LOG_GROUP, &error);
  if (!sources[1].log) {
    lw_packet_log_close(sources[0].log);
    return lw_fail(error);
  }
  for (guint i = 0; i < G_N_ELEMENTS(sources); i++)
    g_unix_fd_add(lw_packet_log_fd(sources[i].log), G_IO_IN, on_readable, &sources[i]);
  g_unix_signal_add(SIGINT, on_signal, loop);
  g_unix_signal_add(SIGTERM, on_signal, loop);
  if (!session->invocation->quiet && !session->invocation->json)
    g_printerr("watching what is refused; Ctrl-C ends it\n");
  g_main_loop_run(loop);
  for (guint i = 0; i < G_N_ELEMENTS(sources); i++)
    lw_packet_log_close(sources[i].log);
  return watch.status;
}

int lw_drops_main(const LwInvocation *invocation) {
  return lw_session_run(invocation, TRUE, drops_inside);
}
