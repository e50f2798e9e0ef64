/* Resolvers as dnsmasq's files, and which leases outlive a change. */
#include "base/error.h"
#include "providers/dnsmasq/translate.h"

#include <string.h>

static LwAddr addr(const char *text) {
  LwAddr out;
  g_assert_true(lw_addr_parse(text, &out));
  return out;
}

static void add_host(LwResource *r, const char *mac, const char *address, const char *name) {
  LwDhcpHost *host = lw_dhcp_host_new();
  g_assert_true(lw_mac_parse(mac, &host->mac));
  if (address)
    host->address = addr(address);
  host->dynamic_only = !address;
  host->name = g_strdup(name);
  g_ptr_array_add(r->hosts, host);
}

static LwResource *sample(void) {
  LwResource *r = lw_resource_new(LW_RES_RESOLVER, "router", "dns");
  r->port = 5300;
  r->domain = g_strdup("lab.internal");
  g_ptr_array_add(r->links, g_strdup("lan10"));
  LwDhcpRange *range = lw_dhcp_range_new();
  range->link = g_strdup("lan10");
  g_assert_true(lw_range_parse("192.168.10.200-192.168.10.240", &range->range));
  range->prefix_len = 24;
  range->router = addr("192.168.10.1");
  LwAddr dns = addr("192.168.10.1");
  g_array_append_val(range->dns, dns);
  range->lease_seconds = 3600;
  g_ptr_array_add(r->ranges, range);
  add_host(r, "52:54:00:00:00:01", "192.168.10.5", "seedbox");
  add_host(r, "52:54:00:00:00:02", NULL, "free");
  LwHostName *name = lw_host_name_new();
  name->name = g_strdup("seedbox.lab.internal");
  name->address = addr("192.168.10.5");
  g_ptr_array_add(r->names, name);
  LwUpstream *upstream = lw_upstream_new();
  upstream->address = addr("10.64.0.1");
  upstream->port = 53;
  upstream->device = g_strdup("wg-se");
  g_ptr_array_add(r->upstreams, upstream);
  upstream = lw_upstream_new();
  upstream->domain = g_strdup("other.internal");
  upstream->address = addr("127.0.0.1");
  upstream->port = 5301;
  g_ptr_array_add(r->upstreams, upstream);
  return r;
}

static const LwDnsmasqFiles files = {"/r/hosts", "/r/leases", "/r/pid", "/r/log"};

static void test_config(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResource) r = sample();
  g_autofree char *config = lw_dnsmasq_config(r, &files, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(config, ==,
                  "no-resolv\nno-hosts\nno-poll\n"
                  "pid-file=/r/pid\nlog-facility=/r/log\nquiet-dhcp\n"
                  "port=5300\nbind-dynamic\ninterface=lan10\nexcept-interface=lo\n"
                  "cache-size=1000\nfilter-AAAA\ndomain-needed\nbogus-priv\n"
                  "domain=lab.internal\nlocal=/lab.internal/\n"
                  "server=10.64.0.1#53@wg-se\nserver=/other.internal/127.0.0.1#5301\n"
                  "host-record=seedbox.lab.internal,192.168.10.5\n"
                  "dhcp-authoritative\nno-ping\ndhcp-leasefile=/r/leases\ndhcp-fqdn\n"
                  "dhcp-range=set:lan10,192.168.10.200,192.168.10.240,255.255.255.0,3600s\n"
                  "dhcp-option=tag:lan10,option:router,192.168.10.1\n"
                  "dhcp-option=tag:lan10,option:dns-server,192.168.10.1\n"
                  "dhcp-hostsfile=/r/hosts\n");
  g_autofree char *hosts = lw_dnsmasq_hosts(r, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(hosts, ==, "52:54:00:00:00:01,192.168.10.5,seedbox\n52:54:00:00:00:02,free\n");
}

static void test_variants(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResource) r = sample();
  LwDnsmasqFiles inlined = files;
  inlined.hosts = NULL;
  r->log_queries = TRUE;
  LwDhcpRange *range = r->ranges->pdata[0];
  range->router = LW_ADDR_NONE;
  g_ptr_array_add(r->links, g_strdup("lo"));
  g_autofree char *config = lw_dnsmasq_config(r, &inlined, &error);
  g_assert_no_error(error);
  g_assert_nonnull(strstr(config, "\nlog-queries=extra\n"));
  g_assert_nonnull(strstr(config, "\ndhcp-option=tag:lan10,option:router\n"));
  g_assert_nonnull(strstr(config, "\ndhcp-host=52:54:00:00:00:01,192.168.10.5,seedbox\n"));
  g_assert_null(strstr(config, "dhcp-hostsfile"));
  g_assert_null(strstr(config, "except-interface"));
}

static void test_hostile_names(void) {
  static const char *const bad[] = {"a\nserver=6.6.6.6", "a b", "a,b", "", "a/b", "a#"};
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(LwResource) r = sample();
    LwHostName *name = r->names->pdata[0];
    g_free(name->name);
    name->name = g_strdup(bad[i]);
    g_assert_null(lw_dnsmasq_config(r, &files, &error));
    g_assert_error(error, LW_ERROR, LW_ERROR_FAILED);
  }
  g_autoptr(GError) error = NULL;
  g_autoptr(LwResource) r = sample();
  add_host(r, "52:54:00:00:00:03", NULL, "x\n52:54:00:00:00:04,192.168.10.6");
  g_assert_null(lw_dnsmasq_hosts(r, &error));
  g_assert_error(error, LW_ERROR, LW_ERROR_FAILED);
}

static void test_leases(void) {
  g_autoptr(LwResource) before = sample();
  g_autoptr(LwResource) after = sample();
  add_host(before, "52:54:00:00:00:09", "192.168.10.209", "gone");
  guint dropped = 0;
  g_autofree char *kept =
      lw_dnsmasq_leases("100 52:54:00:00:00:01 192.168.10.5 seedbox *\n"   /* as reserved */
                        "100 52:54:00:00:00:01 192.168.10.201 seedbox *\n" /* was elsewhere */
                        "100 52:54:00:00:00:02 192.168.10.202 free *\n"    /* free */
                        "100 52:54:00:00:00:07 192.168.10.207 guest *\n"   /* nobody's */
                        "100 52:54:00:00:00:08 192.168.10.5 thief *\n"     /* another's address */
                        "100 52:54:00:00:00:09 192.168.10.209 gone *\n"    /* not declared now */
                        "100 52:54:00:00:00:0a 192.168.20.209 moved *\n"   /* of no range */
                        "rubbish\n",
                        before, after, &dropped);
  g_assert_cmpstr(kept, ==,
                  "100 52:54:00:00:00:01 192.168.10.5 seedbox *\n"
                  "100 52:54:00:00:00:02 192.168.10.202 free *\n"
                  "100 52:54:00:00:00:07 192.168.10.207 guest *\n");
  g_assert_cmpuint(dropped, ==, 5);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/dnsmasq/config", test_config);
  g_test_add_func("/dnsmasq/variants", test_variants);
  g_test_add_func("/dnsmasq/hostile-names", test_hostile_names);
  g_test_add_func("/dnsmasq/leases", test_leases);
  return g_test_run();
}
