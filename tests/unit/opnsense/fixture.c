#include "fixture.h"

#include <string.h>

char *fixture_text(const char *name, gsize *length) {
  g_autofree char *path = g_build_filename(LW_SOURCE, "tests/fixtures/opnsense", name, NULL);
  char *text = NULL;
  g_autoptr(GError) error = NULL;
  if (!g_file_get_contents(path, &text, length, &error))
    g_error("%s", error->message);
  return text;
}

LwOpn *fixture_parse(const char *name) {
  gsize length;
  g_autofree char *text = fixture_text(name, &length);
  g_autoptr(GError) error = NULL;
  LwOpn *opn = lw_opn_parse(text, length, &error);
  g_assert_no_error(error);
  return opn;
}

LwOpn *fixture_parse_text(const char *inner) {
  g_autofree char *text = g_strdup_printf("<?xml version=\"1.0\"?><opnsense>%s</opnsense>", inner);
  g_autoptr(GError) error = NULL;
  LwOpn *opn = lw_opn_parse(text, strlen(text), &error);
  g_assert_no_error(error);
  return opn;
}

static const char *or_nothing(const char *text) {
  return text ? text : "";
}

LwOpn *fixture_router(const FixtureParts *parts) {
  g_autofree char *inner = g_strdup_printf(
      "<system><hostname>r</hostname><webgui><protocol>https</protocol><interfaces>lan</interfaces></webgui>"
      "<disablenatreflection>yes</disablenatreflection>%s</system><interfaces>"
      "<wan><enable>1</enable><if>vtnet0</if><descr>WAN</descr><ipaddr>dhcp</ipaddr></wan>"
      "<lan><enable>1</enable><if>vtnet1</if><descr>LAN</descr><ipaddr>192.168.99.1</ipaddr><subnet>24</"
      "subnet></lan>"
      "<opt1><enable>1</enable><if>vtnet2</if><descr>A</descr><ipaddr>10.1.0.1</ipaddr><subnet>24</subnet></"
      "opt1>"
      "<opt2><enable>1</enable><if>vtnet3</if><descr>B</descr><ipaddr>10.2.0.1</ipaddr><subnet>24</subnet></"
      "opt2>"
      "<opt3><enable>1</enable><if>wg0</if><descr>TUN</descr></opt3>%s</interfaces><filter>%s</filter>"
      "<OPNsense><Gateways><gateway_item><name>TUN_GW</name><interface>opt3</interface><ipprotocol>inet</"
      "ipprotocol>"
      "<gateway>10.64.0.1</gateway><priority>255</priority></gateway_item></"
      "Gateways><wireguard><general><enabled>1"
      "</enabled></general><server><servers><server><enabled>1</enabled><instance>0</"
      "instance><tunneladdress>10.64.0.2/32"
      "</tunneladdress><disableroutes>1</disableroutes></server></servers></server></wireguard>%s</"
      "OPNsense>%s",
      or_nothing(parts->system), or_nothing(parts->interfaces), or_nothing(parts->rules),
      or_nothing(parts->mvc), or_nothing(parts->more));
  return fixture_parse_text(inner);
}

char *fixture_rule(const char *type, const char *interface, const char *source, const char *destination,
                   const char *extra, const char *descr) {
  return g_strdup_printf("<rule><type>%s</type><interface>%s</interface><ipprotocol>inet</ipprotocol>"
                         "<source>%s</source><destination>%s</destination>%s<descr>%s</descr></rule>",
                         type, interface, source, destination, extra, descr);
}
