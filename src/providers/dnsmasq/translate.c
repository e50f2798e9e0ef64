#include "providers/dnsmasq/translate.h"

#include "base/error.h"

#include <string.h>

#define CACHE_SIZE 1000

/* One word of its configuration: nothing that would end or split it. */
static gboolean is_word(const char *text) {
  if (!text || !*text)
    return FALSE;
  for (const char *at = text; *at; at++)
    if ((guchar)*at <= ' ' || *at == '\x7f' || strchr(",/#@\"'\\=", *at))
      return FALSE;
  return TRUE;
}

static gboolean check_word(const char *what, const char *text, GError **error) {
  if (is_word(text))
    return TRUE;
  g_set_error(error, LW_ERROR, LW_ERROR_FAILED,
              "%s \"%s\" cannot be told to dnsmasq: it has a character that means "
              "something there",
              what, text ? text : "");
  return FALSE;
}

static gboolean check_words(const char *what, const GPtrArray *texts, GError **error) {
  for (guint i = 0; i < texts->len; i++)
    if (!check_word(what, texts->pdata[i], error))
      return FALSE;
  return TRUE;
}

static gboolean check_names(const LwResource *r, GError **error) {
  if (!check_words("interface", r->links, error) ||
      (r->domain && *r->domain && !check_word("domain", r->domain, error)))
    return FALSE;
  for (guint i = 0; i < r->ranges->len; i++)
    if (!check_word("interface", ((LwDhcpRange *)r->ranges->pdata[i])->link, error))
      return FALSE;
  for (guint i = 0; i < r->names->len; i++)
    if (!check_word("name", ((LwHostName *)r->names->pdata[i])->name, error))
      return FALSE;
  for (guint i = 0; i < r->upstreams->len; i++) {
    const LwUpstream *upstream = r->upstreams->pdata[i];
    if ((upstream->domain && *upstream->domain && !check_word("domain", upstream->domain, error)) ||
        (upstream->device && *upstream->device && !check_word("interface", upstream->device, error)))
      return FALSE;
  }
  return TRUE;
}

static gboolean has(const char *text) {
  return text && *text;
}

static gboolean listens_on(const LwResource *r, const char *link) {
  for (guint i = 0; i < r->links->len; i++)
    if (g_str_equal(r->links->pdata[i], link))
      return TRUE;
  return FALSE;
}

/* bind-dynamic, as interfaces may come later and go; but without any named it listens on the wildcard
 * address, which is what a namespace that answers on every address needs. Loopback is added by dnsmasq itself
 * unless it is told. */
static void append_listening(GString *out, const LwResource *r) {
  g_string_append_printf(out, "port=%u\n%s", r->port, r->links->len ? "bind-dynamic\n" : "");
  for (guint i = 0; i < r->links->len; i++)
    g_string_append_printf(out, "interface=%s\n", (char *)r->links->pdata[i]);
  for (guint i = 0; r->links->len && i < r->ranges->len; i++) {
    const LwDhcpRange *range = r->ranges->pdata[i];
    if (!listens_on(r, range->link))
      g_string_append_printf(out, "interface=%s\n", range->link);
  }
  if (r->links->len && !listens_on(r, "lo"))
    g_string_append(out, "except-interface=lo\n");
}

static void append_upstream(GString *out, const LwUpstream *upstream) {
  g_autofree char *address = lw_addr_format(&upstream->address);
  g_string_append(out, "server=");
  if (has(upstream->domain))
    g_string_append_printf(out, "/%s/", upstream->domain);
  g_string_append(out, address);
  if (upstream->port)
    g_string_append_printf(out, "#%u", upstream->port);
  if (has(upstream->device))
    g_string_append_printf(out, "@%s", upstream->device);
  g_string_append_c(out, '\n');
}

static void append_dns(GString *out, const LwResource *r) {
  g_string_append_printf(out, "cache-size=%u\nfilter-AAAA\ndomain-needed\nbogus-priv\n", CACHE_SIZE);
  if (has(r->domain))
    g_string_append_printf(out, "domain=%s\nlocal=/%s/\n", r->domain, r->domain);
  for (guint i = 0; i < r->upstreams->len; i++)
    append_upstream(out, r->upstreams->pdata[i]);
  for (guint i = 0; i < r->names->len; i++) {
    const LwHostName *name = r->names->pdata[i];
    g_autofree char *address = lw_addr_format(&name->address);
    g_string_append_printf(out, "host-record=%s,%s\n", name->name, address);
  }
}

static char *netmask(guint8 length) {
  guint32 mask = length == 0 ? 0 : 0xffffffffu << (32 - length);
  LwAddr addr = lw_addr_from_v4(mask);
  return lw_addr_format(&addr);
}

/* An option without a value is not sent at all: dnsmasq would name itself otherwise. */
static void append_range(GString *out, const LwDhcpRange *range) {
  g_autofree char *first = lw_addr_format(&range->range.first);
  g_autofree char *last = lw_addr_format(&range->range.last);
  g_autofree char *mask = netmask(range->prefix_len);
  g_autofree char *router = lw_addr_format(&range->router);
  g_string_append_printf(out, "dhcp-range=set:%s,%s,%s,%s,%us\n", range->link, first, last, mask,
                         range->lease_seconds);
  g_string_append_printf(out, "dhcp-option=tag:%s,option:router%s%s\n", range->link, *router ? "," : "",
                         router);
  g_string_append_printf(out, "dhcp-option=tag:%s,option:dns-server", range->link);
  for (guint i = 0; i < range->dns->len; i++) {
    g_autofree char *dns = lw_addr_format(&g_array_index(range->dns, LwAddr, i));
    g_string_append_printf(out, ",%s", dns);
  }
  g_string_append_c(out, '\n');
}

static gboolean append_hosts(GString *out, const LwResource *r, const char *prefix, GError **error) {
  for (guint i = 0; i < r->hosts->len; i++) {
    const LwDhcpHost *host = r->hosts->pdata[i];
    g_autofree char *mac = lw_mac_format(&host->mac);
    g_string_append_printf(out, "%s%s", prefix, mac);
    if (lw_addr_is_set(&host->address) && !host->dynamic_only) {
      g_autofree char *address = lw_addr_format(&host->address);
      g_string_append_printf(out, ",%s", address);
    }
    if (has(host->name)) {
      if (!check_word("name", host->name, error))
        return FALSE;
      g_string_append_printf(out, ",%s", host->name);
    }
    g_string_append_c(out, '\n');
  }
  return TRUE;
}

static gboolean append_dhcp(GString *out, const LwResource *r, const LwDnsmasqFiles *files, GError **error) {
  if (r->ranges->len == 0)
    return TRUE;
  g_string_append_printf(out, "dhcp-authoritative\nno-ping\ndhcp-leasefile=%s\n", files->leases);
  if (has(r->domain))
    g_string_append(out, "dhcp-fqdn\n");
  for (guint i = 0; i < r->ranges->len; i++)
    append_range(out, r->ranges->pdata[i]);
  if (!files->hosts)
    return append_hosts(out, r, "dhcp-host=", error);
  g_string_append_printf(out, "dhcp-hostsfile=%s\n", files->hosts);
  return TRUE;
}

char *lw_dnsmasq_config(const LwResource *resolver, const LwDnsmasqFiles *files, GError **error) {
  if (!check_names(resolver, error))
    return NULL;
  g_autoptr(GString) out = g_string_new("no-resolv\nno-hosts\nno-poll\n");
  g_string_append_printf(out, "pid-file=%s\nlog-facility=%s\n", files->pid, files->log);
  g_string_append(out, resolver->log_queries ? "log-queries=extra\n" : "quiet-dhcp\n");
  append_listening(out, resolver);
  if (resolver->port)
    append_dns(out, resolver);
  else if (has(resolver->domain))
    g_string_append_printf(out, "domain=%s\n", resolver->domain);
  if (!append_dhcp(out, resolver, files, error))
    return NULL;
  return g_string_free(g_steal_pointer(&out), FALSE);
}

char *lw_dnsmasq_hosts(const LwResource *resolver, GError **error) {
  g_autoptr(GString) out = g_string_new(NULL);
  return append_hosts(out, resolver, "", error) ? g_string_free(g_steal_pointer(&out), FALSE) : NULL;
}

/* --- leases
 * ------------------------------------------------------------------------------------------------- */

static gboolean knows(const LwResource *r, const LwMac *mac, const LwDhcpHost **found) {
  for (guint i = 0; r && i < r->hosts->len; i++) {
    *found = r->hosts->pdata[i];
    if (lw_mac_equal(&(*found)->mac, mac))
      return TRUE;
  }
  return FALSE;
}

static gboolean is_reserved(const LwResource *r, const LwAddr *address) {
  for (guint i = 0; i < r->hosts->len; i++) {
    const LwDhcpHost *host = r->hosts->pdata[i];
    if (!host->dynamic_only && lw_addr_equal(&host->address, address))
      return TRUE;
  }
  return FALSE;
}

static gboolean is_in_a_range(const LwResource *r, const LwAddr *address) {
  for (guint i = 0; i < r->ranges->len; i++)
    if (lw_range_contains(&((LwDhcpRange *)r->ranges->pdata[i])->range, address))
      return TRUE;
  return FALSE;
}

/* A line: expiry, MAC, address, name, client's id. */
static gboolean lease_holds(const char *line, const LwResource *previous, const LwResource *next) {
  g_auto(GStrv) fields = g_strsplit(line, " ", -1);
  LwMac mac;
  LwAddr address;
  if (g_strv_length(fields) < 4 || !lw_mac_parse(fields[1], &mac) || !lw_addr_parse(fields[2], &address))
    return FALSE;
  const LwDhcpHost *host, *before;
  gboolean known = knows(next, &mac, &host);
  if (known && !host->dynamic_only && lw_addr_is_set(&host->address))
    return lw_addr_equal(&host->address, &address);
  if (!known && knows(previous, &mac, &before))
    return FALSE;
  return is_in_a_range(next, &address) && !is_reserved(next, &address);
}

char *lw_dnsmasq_leases(const char *leases, const LwResource *previous, const LwResource *next,
                        guint *dropped) {
  GString *out = g_string_new(NULL);
  guint gone = 0;
  g_auto(GStrv) lines = g_strsplit(leases, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    if (!*lines[i])
      continue;
    if (lease_holds(lines[i], previous, next))
      g_string_append_printf(out, "%s\n", lines[i]);
    else
      gone++;
  }
  if (dropped)
    *dropped = gone;
  return g_string_free(out, FALSE);
}
