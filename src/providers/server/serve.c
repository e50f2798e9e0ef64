/* The listeners of the emulated world. Whoever talks to them may be slow, hostile or gone: buffers are
 * bounded, clients are counted, and one that says nothing is dropped. */
#include "providers/server/serve.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX 256
#define BUFFER_SIZE 8192
#define IDLE_MS 60000
#define HTTP_MS 10000
#define CLOSE_MS 2000
#define BURST 64 /* datagrams answered before the others get their turn */

typedef enum {
  READING, /* echo: whatever comes; HTTP: the head of the request */
  WRITING, /* what is in the buffer */
  CLOSING  /* all said: waits for the other side's end, so that a reset does not eat the answer */
} Phase;

typedef struct {
  int fd;
  LwAnswer answer;
  Phase phase;
  gint64 deadline;
  struct sockaddr_in peer;
  gsize used, sent;
  char buffer[BUFFER_SIZE];
} Client;

typedef struct {
  LwListener *listeners;
  guint count;
  Client *clients[CLIENTS_MAX];
  guint client_count;
  char packet[65536];
} Server;

gboolean lw_listener_parse(const char *text, LwListener *out, GError **error) {
  static const char *const answers[] = {"echo", "address", "discard"};
  g_auto(GStrv) parts = g_strsplit(text, "/", -1);
  guint64 port = 0;
  LwListener listener = {.fd = -1};
  gboolean ok = g_strv_length(parts) == 3 && (g_str_equal(parts[0], "tcp") || g_str_equal(parts[0], "udp")) &&
                g_ascii_string_to_unsigned(parts[1], 10, 1, 65535, &port, NULL);
  if (ok) {
    guint answer = 0;
    while (answer < G_N_ELEMENTS(answers) && !g_str_equal(parts[2], answers[answer]))
      answer++;
    ok = answer < G_N_ELEMENTS(answers);
    listener.udp = g_str_equal(parts[0], "udp");
    listener.port = (guint16)port;
    listener.answer = (LwAnswer)answer;
  }
  if (!ok) {
    g_set_error(error, LW_ERROR, LW_ERROR_USAGE, "“%s” is no listener: write it as tcp/80/address", text);
    return FALSE;
  }
  *out = listener;
  return TRUE;
}

gboolean lw_listener_bind(LwListener *listener, GError **error) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(listener->port)};
  int one = 1;
  int type = listener->udp ? SOCK_DGRAM : SOCK_STREAM;
  int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  gboolean ok = fd >= 0;
  /* An answer must come from the address that was asked: with any address local, the kernel would choose
   * another. */
  if (ok && listener->udp)
    ok = setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one) == 0;
  if (ok && !listener->udp)
    ok = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0;
  ok = ok && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
       (listener->udp || listen(fd, 128) == 0);
  if (!ok) {
    lw_error_set_errno(error, "cannot listen on %s port %u", listener->udp ? "udp" : "tcp", listener->port);
    if (fd >= 0)
      close(fd);
    return FALSE;
  }
  listener->fd = fd;
  return TRUE;
}

static gint64 in_ms(guint ms) {
  return g_get_monotonic_time() + ms * (gint64)1000;
}

static void drop(Server *server, guint index) {
  close(server->clients[index]->fd);
  g_free(server->clients[index]);
  server->clients[index] = server->clients[--server->client_count];
}

static void accept_clients(Server *server, const LwListener *listener) {
  for (guint i = 0; i < BURST; i++) {
    struct sockaddr_in peer = {0};
    socklen_t length = sizeof peer;
    int fd = accept4(listener->fd, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
      return;
    if (server->client_count == CLIENTS_MAX) {
      close(fd);
      continue;
    }
    Client *client = g_new0(Client, 1);
    client->fd = fd;
    client->answer = listener->answer;
    client->peer = peer;
    client->deadline = in_ms(listener->answer == LW_ANSWER_ADDRESS ? HTTP_MS : IDLE_MS);
    server->clients[server->client_count++] = client;
  }
}

static void format_address(const struct sockaddr_in *address, char out[INET_ADDRSTRLEN]) {
  inet_ntop(AF_INET, &address->sin_addr, out, INET_ADDRSTRLEN);
}

/* An answer to a datagram, from the address that it was sent to. */
static void answer_datagram(const LwListener *listener, struct msghdr *message, gsize length,
                            const char *packet) {
  struct sockaddr_in *peer = message->msg_name;
  char text[INET_ADDRSTRLEN];
  struct iovec data = {.iov_base = (void *)packet, .iov_len = length};
  union {
    char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
    struct cmsghdr align;
  } control = {{0}};
  struct msghdr reply = {.msg_name = peer, .msg_namelen = sizeof *peer, .msg_iov = &data, .msg_iovlen = 1};
  if (listener->answer == LW_ANSWER_ADDRESS) {
    format_address(peer, text);
    data = (struct iovec){.iov_base = text, .iov_len = strlen(text)};
  }
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_PKTINFO)
      continue;
    struct in_pktinfo asked, from = {0};
    memcpy(&asked, CMSG_DATA(c), sizeof asked);
    if (IN_MULTICAST(ntohl(asked.ipi_addr.s_addr)) || asked.ipi_addr.s_addr == htonl(INADDR_BROADCAST))
      return;
    from.ipi_spec_dst = asked.ipi_addr;
    reply.msg_control = control.bytes;
    reply.msg_controllen = sizeof control.bytes;
    struct cmsghdr *own = CMSG_FIRSTHDR(&reply);
    own->cmsg_level = IPPROTO_IP;
    own->cmsg_type = IP_PKTINFO;
    own->cmsg_len = CMSG_LEN(sizeof from);
    memcpy(CMSG_DATA(own), &from, sizeof from);
  }
  (void)!sendmsg(listener->fd, &reply, MSG_DONTWAIT | MSG_NOSIGNAL); /* a datagram may be lost */
}

static void read_datagrams(Server *server, const LwListener *listener) {
  for (guint i = 0; i < BURST; i++) {
    struct sockaddr_in peer = {0};
    union {
      char bytes[256];
      struct cmsghdr align;
    } control;
    struct iovec data = {.iov_base = server->packet, .iov_len = sizeof server->packet};
    struct msghdr message = {.msg_name = &peer,
                             .msg_namelen = sizeof peer,
                             .msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t n = recvmsg(listener->fd, &message, 0);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0 && errno == EAGAIN)
      return;
    /* other errors are ICMP's, of earlier answers. Port to same port is another echo server: never answer it,
       or two of them talk for ever */
    if (n >= 0 && listener->answer != LW_ANSWER_DISCARD && ntohs(peer.sin_port) != listener->port)
      answer_datagram(listener, &message, (gsize)n, server->packet);
  }
}

/* Whether the request's head is whole (or too long to wait for). */
static gboolean head_is_whole(const Client *client) {
  return client->used == BUFFER_SIZE || g_strstr_len(client->buffer, (gssize)client->used, "\r\n\r\n") ||
         g_strstr_len(client->buffer, (gssize)client->used, "\n\n");
}

static void answer_http(Client *client) {
  char address[INET_ADDRSTRLEN];
  format_address(&client->peer, address);
  gboolean head = client->used >= 5 && memcmp(client->buffer, "HEAD ", 5) == 0;
  client->used = (gsize)snprintf(client->buffer, BUFFER_SIZE,
                                 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                                 "Connection: close\r\n\r\n%s%s",
                                 strlen(address) + 1, head ? "" : address, head ? "" : "\n");
  client->sent = 0;
  client->phase = WRITING;
}

/* FALSE: the client is done for. */
static gboolean client_read(Server *server, Client *client) {
  gboolean keep = client->answer != LW_ANSWER_DISCARD && client->phase == READING;
  char *into = keep ? client->buffer + client->used : server->packet;
  gsize room = keep ? BUFFER_SIZE - client->used : sizeof server->packet;
  ssize_t n = recv(client->fd, into, room, 0);
  if (n < 0)
    return errno == EAGAIN || errno == EINTR;
  if (n == 0)
    return FALSE;
  if (client->answer != LW_ANSWER_ADDRESS)
    client->deadline = in_ms(IDLE_MS);
  if (!keep)
    return TRUE;
  client->used += (gsize)n;
  if (client->answer == LW_ANSWER_ADDRESS && head_is_whole(client))
    answer_http(client);
  else if (client->answer == LW_ANSWER_ECHO)
    client->phase = WRITING;
  return TRUE;
}

static gboolean client_write(Client *client) {
  ssize_t n = send(client->fd, client->buffer + client->sent, client->used - client->sent, MSG_NOSIGNAL);
  if (n < 0)
    return errno == EAGAIN || errno == EINTR;
  client->sent += (gsize)n;
  if (client->sent < client->used)
    return TRUE;
  client->used = client->sent = 0;
  if (client->answer == LW_ANSWER_ECHO) {
    client->deadline = in_ms(IDLE_MS);
    client->phase = READING;
    return TRUE;
  }
  client->phase = CLOSING;
  client->deadline = in_ms(CLOSE_MS);
  return shutdown(client->fd, SHUT_WR) == 0;
}

static gboolean client_turn(Server *server, Client *client, short events) {
  if (client->phase == WRITING)
    return client_write(client);
  return !(events & (POLLIN | POLLHUP | POLLERR)) || client_read(server, client);
}

static int next_deadline(const Server *server) {
  if (server->client_count == 0)
    return -1;
  gint64 first = G_MAXINT64;
  for (guint i = 0; i < server->client_count; i++)
    first = MIN(first, server->clients[i]->deadline);
  return (int)CLAMP((first - g_get_monotonic_time()) / 1000 + 1, 0, IDLE_MS);
}

static void serve_once(Server *server, struct pollfd *watched) {
  guint clients = server->client_count;
  for (guint i = 0; i < clients; i++)
    watched[i] = (struct pollfd){.fd = server->clients[i]->fd,
                                 .events = server->clients[i]->phase == WRITING ? POLLOUT : POLLIN};
  for (guint i = 0; i < server->count; i++)
    watched[clients + i] = (struct pollfd){.fd = server->listeners[i].fd, .events = POLLIN};
  if (poll(watched, clients + server->count, next_deadline(server)) < 0)
    return;
  gint64 now = g_get_monotonic_time();
  /* from the end: drop() moves the last one into the gap */
  for (guint i = clients; i-- > 0;)
    if ((watched[i].revents && !client_turn(server, server->clients[i], watched[i].revents)) ||
        now >= server->clients[i]->deadline)
      drop(server, i);
  for (guint i = 0; i < server->count; i++) {
    if (!watched[clients + i].revents)
      continue;
    if (server->listeners[i].udp)
      read_datagrams(server, &server->listeners[i]);
    else
      accept_clients(server, &server->listeners[i]);
  }
}

void lw_serve(LwListener *listeners, guint count) {
  Server *server = g_new0(Server, 1);
  struct pollfd *watched = g_new0(struct pollfd, CLIENTS_MAX + count);
  server->listeners = listeners;
  server->count = count;
  for (;;)
    serve_once(server, watched);
}
