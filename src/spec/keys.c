#include "spec/keys.h"

#include <string.h>

const LwSection lw_sections[LW_SECTION_COUNT] = {
    [LW_SECTION_TOP] = {"lab", "", "The file itself."},
    [LW_SECTION_DEFAULTS] = {"defaults", "defaults",
                             "What holds for all segments or machines that do not say otherwise."},
    [LW_SECTION_HOST] = {"host", "host", "The machine that the lab runs on."},
    [LW_SECTION_MANAGEMENT] =
        {"management", "host.management",
         "The network between host and router alone: the host's way to the router, to the "
         "segments it is allowed into, and theirs to the host's services."},
    [LW_SECTION_ROUTER] = {"router", "router",
                           "What routes, filters and serves DHCP and DNS between the segments."},
    [LW_SECTION_API] = {"api", "router.api", "How the API of an OPNsense router is reached."},
    [LW_SECTION_ROUTER_CREATE] =
        {"router-create", "router.create",
         "An OPNsense router that is made, as a libvirt domain named `vm`, of OPNsense's nano image: its "
         "disk is a "
         "copy of the image at /var/lib/libvirt/images/VM.qcow2, its first boot takes over a config.xml made "
         "of this "
         "file. A disk that is there already is used as it is. Experimental: never tried on a real image."},
    [LW_SECTION_SEGMENT] = {"segment", "segments.NAME",
                            "One network of machines. What no line allows is dropped and counted."},
    [LW_SECTION_SEGMENT_HOST] = {"segment-host", "segments.NAME.host",
                                 "What the host may open into the segment."},
    [LW_SECTION_FORWARD] =
        {"forward", "segments.NAME.forward[]",
         "A port of the segment's exit that leads to a machine. The short form is one string: "
         "`tcp/8443 -> seedbox`, or `tcp/8443 -> seedbox:443`."},
    [LW_SECTION_MACHINE] =
        {"machine", "machines.NAME",
         "A virtual machine, a container or a cell, and where its network cards are plugged in. "
         "With one card, the card's keys stand here; with several, under `nics`."},
    [LW_SECTION_NIC] = {"nic", "machines.NAME.nics[]", "One network card. The first has the default route."},
    [LW_SECTION_CELL] = {"cell", "machines.NAME.cell", "A cell that runs a command."},
    [LW_SECTION_CREATE] = {"create", "machines.NAME.create",
                           "A virtual machine that is made, as a libvirt domain: machine q35, with ports to "
                           "spare for cards that are plugged in while it runs. What changes here holds from "
                           "its next start on. Once it is not in the file any more it is stopped and "
                           "undefined; its disk stays."},
    [LW_SECTION_DISK] = {"disk", "machines.NAME.create.disk",
                         "Its disk. One that is there already is used as it is."},
    [LW_SECTION_START] =
        {"start", "machines.NAME.start",
         "Makes `lanward start` start the machine (which the unit lanward-machines.service runs "
         "at boot), once the router is ready and whatever it comes after is, too; `lanward stop` "
         "goes the other way round. `start: {}` will do. A cell runs from apply on."},
};

#define NAME_PATTERN "^[a-z]([a-z0-9-]*[a-z0-9])?$"
#define SCALAR_OR_LIST(item) "{\"oneOf\":[" item ",{\"type\":\"array\",\"items\":" item "}]}"
#define STRING "{\"type\":\"string\"}"
#define NAMED(value)                                                                                         \
  "{\"type\":[\"object\",\"null\"],\"propertyNames\":{\"pattern\":\"" NAME_PATTERN                           \
  "\"},\"additionalProperties\":" value "}"
#define PORTS                                                                                                \
  "{\"type\":\"string\",\"pattern\":\"^(any|icmp|(tcp|udp|tcp\\\\+udp|udp\\\\+tcp)(/[0-9]+(-[0-9]+)?)?)$\"}"
#define EXIT_PORT "{\"type\":\"string\",\"pattern\":\"^(tcp|udp|tcp\\\\+udp|udp\\\\+tcp)/[0-9]+(-[0-9]+)?$\"}"
#define OCTETS "[0-9]{1,3}(\\\\.[0-9]{1,3}){3}"
#define SHORT_OR_WHOLE "(" OCTETS "|\\\\.[0-9]{1,3})"

const LwType lw_types[LW_TYPE_COUNT] = {
    [LW_TYPE_SECTION] = {"mapping", LW_SHAPE_MAP, TRUE, NULL},
    [LW_TYPE_SECTIONS] = {"names with a mapping each", LW_SHAPE_MAP, TRUE, NAMED("$SECTION")},
    [LW_TYPE_NAME] = {"name", LW_SHAPE_SCALAR, FALSE,
                      "{\"type\":\"string\",\"pattern\":\"" NAME_PATTERN "\"}"},
    [LW_TYPE_INTERFACE] = {"interface name (at most 15 bytes)", LW_SHAPE_SCALAR, FALSE,
                           "{\"type\":\"string\",\"minLength\":1,\"maxLength\":15}"},
    [LW_TYPE_UPLINK] = {"interface name or MAC address", LW_SHAPE_SCALAR, FALSE,
                        "{\"type\":\"string\",\"minLength\":1,\"maxLength\":17}"},
    [LW_TYPE_TEXT] = {"text", LW_SHAPE_SCALAR, FALSE, "{\"type\":\"string\",\"minLength\":1}"},
    [LW_TYPE_DOMAIN] = {"domain name", LW_SHAPE_SCALAR, FALSE,
                        "{\"type\":\"string\",\"minLength\":1,\"maxLength\":200}"},
    [LW_TYPE_PATH] = {"path, relative to the file it stands in", LW_SHAPE_SCALAR, FALSE,
                      "{\"type\":\"string\",\"minLength\":1}"},
    [LW_TYPE_PATHS] = {"names with a path each, relative to the file it stands in", LW_SHAPE_MAP, TRUE,
                       NAMED("{\"type\":\"string\",\"minLength\":1}")},
    [LW_TYPE_INCLUDE] = {"path or list of paths", LW_SHAPE_SCALAR | LW_SHAPE_LIST, TRUE,
                         SCALAR_OR_LIST(STRING)},
    [LW_TYPE_URL] = {"https URL", LW_SHAPE_SCALAR, FALSE, "{\"type\":\"string\",\"pattern\":\"^https://\"}"},
    [LW_TYPE_CHOICE] = {"one of", LW_SHAPE_SCALAR, FALSE, NULL},
    [LW_TYPE_SUBNET] = {"IPv4 subnet", LW_SHAPE_SCALAR, FALSE,
                        "{\"type\":\"string\",\"pattern\":\"^" OCTETS "/[0-9]{1,2}$\"}"},
    [LW_TYPE_ADDRESS] = {"IPv4 address, or short (`.1`) in the subnet beside it", LW_SHAPE_SCALAR, FALSE,
                         "{\"type\":[\"string\",\"number\"]}"},
    [LW_TYPE_ADDRESSES] = {"IPv4 address or list of them", LW_SHAPE_SCALAR | LW_SHAPE_LIST, TRUE,
                           SCALAR_OR_LIST("{\"type\":\"string\",\"pattern\":\"^" OCTETS "$\"}")},
    [LW_TYPE_SUBNET_ADDRESS] = {"IPv4 address, or short (`.5`) in the segment's subnet", LW_SHAPE_SCALAR,
                                FALSE, "{\"type\":[\"string\",\"number\"]}"},
    [LW_TYPE_SUBNET_PREFIXES] = {"address or prefix of the segment's subnet, or list of them, short or whole",
                                 LW_SHAPE_SCALAR | LW_SHAPE_LIST, TRUE,
                                 SCALAR_OR_LIST("{\"type\":[\"string\",\"number\"]}")},
    [LW_TYPE_RANGE] = {"range of addresses (`.200-.240`, `.0/26`), short or whole", LW_SHAPE_SCALAR, FALSE,
                       "{\"type\":\"string\",\"pattern\":\"^" SHORT_OR_WHOLE "(-" SHORT_OR_WHOLE
                       "|/[0-9]{1,2})?$\"}"},
    [LW_TYPE_MAC] = {"MAC address", LW_SHAPE_SCALAR, FALSE,
                     "{\"type\":\"string\",\"pattern\":\"^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$\"}"},
    [LW_TYPE_SERVICES] = {"names with ports each (`tcp/445`, `icmp`, `tcp+udp/53`, or a list)", LW_SHAPE_MAP,
                          TRUE, NAMED(SCALAR_OR_LIST(PORTS))},
    [LW_TYPE_NETWORKS] = {"names with an IPv4 prefix each", LW_SHAPE_MAP, TRUE,
                          NAMED("{\"type\":\"string\",\"pattern\":\"^" OCTETS "/[0-9]{1,2}$\"}")},
    [LW_TYPE_MANAGE] = {"list of `host`, `machines`, `router`", LW_SHAPE_SCALAR | LW_SHAPE_LIST, TRUE,
                        SCALAR_OR_LIST("{\"enum\":[\"host\",\"machines\",\"router\"]}")},
    [LW_TYPE_EGRESS] = {"`direct`, `none`, a tunnel, or a list of tunnels", LW_SHAPE_SCALAR | LW_SHAPE_LIST,
                        FALSE, SCALAR_OR_LIST("{\"type\":\"string\",\"pattern\":\"" NAME_PATTERN "\"}")},
    [LW_TYPE_PINS] = {"ranges with a tunnel each", LW_SHAPE_MAP, TRUE,
                      "{\"type\":[\"object\",\"null\"],\"additionalProperties\":{\"type\":\"string\","
                      "\"pattern\":\"" NAME_PATTERN "\"}}"},
    [LW_TYPE_ALLOW] = {"`TARGET[:PROTO/PORT] [from RANGE[, RANGE]]`, or list of them",
                       LW_SHAPE_SCALAR | LW_SHAPE_LIST, TRUE, SCALAR_OR_LIST(STRING)},
    [LW_TYPE_FORWARDS] = {"list of mappings or of `PROTO/PORT -> MACHINE[:PORT]`",
                          LW_SHAPE_SCALAR | LW_SHAPE_LIST | LW_SHAPE_MAP, TRUE,
                          SCALAR_OR_LIST("{\"oneOf\":[{\"type\":\"string\",\"pattern\":\"->\"},$SECTION]}")},
    [LW_TYPE_FORWARD_PORT] = {"`PROTO/PORT` or `PROTO/FIRST-LAST`, PROTO one of `tcp`, `udp`, `tcp+udp`",
                              LW_SHAPE_SCALAR, FALSE, EXIT_PORT},
    [LW_TYPE_PORT] = {"port", LW_SHAPE_SCALAR, FALSE,
                      "{\"type\":\"integer\",\"minimum\":1,\"maximum\":65535}"},
    [LW_TYPE_BOOLEAN] = {"`true` or `false`", LW_SHAPE_SCALAR, FALSE,
                         "{\"enum\":[true,false,\"yes\",\"no\",\"on\",\"off\"]}"},
    [LW_TYPE_NICS] = {"list of mappings", LW_SHAPE_LIST | LW_SHAPE_MAP, TRUE,
                      "{\"oneOf\":[$SECTION,{\"type\":\"array\",\"items\":$SECTION}]}"},
    [LW_TYPE_CELL] = {"`true`, or a mapping", LW_SHAPE_SCALAR | LW_SHAPE_MAP, FALSE,
                      "{\"oneOf\":[{\"enum\":[true,false,\"yes\",\"no\",\"on\",\"off\"]},$SECTION]}"},
    [LW_TYPE_COMMAND] = {"list: a program and its arguments", LW_SHAPE_LIST, TRUE,
                         "{\"type\":\"array\",\"items\":{\"type\":[\"string\",\"number\",\"boolean\"]}}"},
    [LW_TYPE_SIZE] = {"size (`4GiB`, `512MiB`, or short: `4G`)", LW_SHAPE_SCALAR, FALSE,
                      "{\"type\":\"string\",\"pattern\":\"^[1-9][0-9]*(M|G|T)(iB)?$\"}"},
    [LW_TYPE_NUMBER] = {"number", LW_SHAPE_SCALAR, FALSE, "{\"type\":\"integer\",\"minimum\":1}"},
    [LW_TYPE_PCI] = {"PCI address (`0000:01:00.0`), or list of them", LW_SHAPE_SCALAR | LW_SHAPE_LIST, TRUE,
                     SCALAR_OR_LIST(STRING)},
    [LW_TYPE_ASSERTS] = {"list of `allow FROM -> TO [PROTO/PORT]` or `deny FROM -> TO [PROTO/PORT]`",
                         LW_SHAPE_SCALAR | LW_SHAPE_LIST, TRUE,
                         SCALAR_OR_LIST("{\"type\":\"string\",\"pattern\":\"^ *(allow|deny) .*->\"}")},
    [LW_TYPE_MACHINES] = {"machine, or list of them", LW_SHAPE_SCALAR | LW_SHAPE_LIST, TRUE,
                          SCALAR_OR_LIST("{\"type\":\"string\",\"pattern\":\"" NAME_PATTERN "\"}")},
    [LW_TYPE_DURATION] = {"time (`5s`, `2m`)", LW_SHAPE_SCALAR, FALSE,
                          "{\"type\":\"string\",\"pattern\":\"^[0-9]+(s|m)$\"}"},
};

/* The rows that a machine with one card and a card of several have in common. */
#define CARD(NAME, SECTION)                                                                                  \
  {LW_KEY_##NAME##_SEGMENT,                                                                                  \
   SECTION,                                                                                                  \
   "segment",                                                                                                \
   LW_TYPE_NAME,                                                                                             \
   0,                                                                                                        \
   NULL,                                                                                                     \
   0,                                                                                                        \
   NULL,                                                                                                     \
   "The segment that the card is plugged into.",                                                             \
   "lan20"},                                                                                                 \
      {LW_KEY_##NAME##_ADDRESS,                                                                              \
       SECTION,                                                                                              \
       "address",                                                                                            \
       LW_TYPE_SUBNET_ADDRESS,                                                                               \
       0,                                                                                                    \
       NULL,                                                                                                 \
       LW_KEY_NO_DEFAULT,                                                                                    \
       "given by DHCP",                                                                                      \
       "Its address, reserved in DHCP. It lies outside the DHCP range, and is good from this machine's "     \
       "port and MAC "                                                                                       \
       "alone.",                                                                                             \
       ".5"},                                                                                                \
      {LW_KEY_##NAME##_MAC,                                                                                  \
       SECTION,                                                                                              \
       "mac",                                                                                                \
       LW_TYPE_MAC,                                                                                          \
       0,                                                                                                    \
       NULL,                                                                                                 \
       LW_KEY_NO_DEFAULT,                                                                                    \
       "what the machine has, else derived from the names of lab and machine",                               \
       "The card's MAC address.",                                                                            \
       "52:54:00:12:34:56"},                                                                                 \
      {LW_KEY_##NAME##_ADDRESSES,                                                                            \
       SECTION,                                                                                              \
       "addresses",                                                                                          \
       LW_TYPE_SUBNET_PREFIXES,                                                                              \
       0,                                                                                                    \
       NULL,                                                                                                 \
       LW_KEY_NO_DEFAULT,                                                                                    \
       NULL,                                                                                                 \
       "Further (virtual) addresses that the machine may use there. Several machines may share them.",       \
       "[.60, .64/28]"},                                                                                     \
  {                                                                                                          \
    LW_KEY_##NAME##_SPOOF, SECTION, "spoof", LW_TYPE_CHOICE, 0, "no ok", 0, "no",                            \
        "`ok`: frames of any MAC and source address pass (a machine with bridges of its own inside).", "ok"  \
  }

const LwKey lw_keys[LW_KEY_COUNT] = {
    {LW_KEY_LAB, LW_SECTION_TOP, "lab", LW_TYPE_NAME, 0, NULL, LW_KEY_REQUIRED, NULL,
     "The lab's name. MAC addresses that are not given are derived from it.", "homelab"},
    {LW_KEY_DOMAIN, LW_SECTION_TOP, "domain", LW_TYPE_DOMAIN, 0, NULL, 0, "LAB.internal",
     "The DNS domain of the lab's machines.", "lab.example.org"},
    {LW_KEY_INCLUDE, LW_SECTION_TOP, "include", LW_TYPE_INCLUDE, 0, NULL, 0, NULL,
     "Further files of the same form. Their mappings are merged into this file's; what stands in two files "
     "is an "
     "error. At most 16.",
     "[segments.yaml, machines.yaml]"},
    {LW_KEY_DEFAULTS, LW_SECTION_TOP, "defaults", LW_TYPE_SECTION, LW_SECTION_DEFAULTS, NULL, 0, NULL,
     "Says once what repeats. A key that a segment or machine has itself replaces the default's, whole.",
     NULL},
    {LW_KEY_HOST, LW_SECTION_TOP, "host", LW_TYPE_SECTION, LW_SECTION_HOST, NULL, LW_KEY_REQUIRED, NULL,
     "The machine that the lab runs on.", NULL},
    {LW_KEY_ROUTER, LW_SECTION_TOP, "router", LW_TYPE_SECTION, LW_SECTION_ROUTER, NULL, 0,
     "the builtin router", "What routes between the segments.", "{kind: builtin}"},
    {LW_KEY_MANAGE, LW_SECTION_TOP, "manage", LW_TYPE_MANAGE, 0, NULL, 0, "[host, machines, router]",
     "What lanward may change. What is left out is only observed and proved.", "[machines]"},
    {LW_KEY_TUNNELS, LW_SECTION_TOP, "tunnels", LW_TYPE_PATHS, 0, NULL, 0, NULL,
     "WireGuard exits: names with unmodified wg-quick files, of mode 0600. Names have at most 12 letters. In "
     "the twin "
     "a file that is missing gets a stand-in.",
     "{se: wireguard/se.conf}"},
    {LW_KEY_SEGMENTS, LW_SECTION_TOP, "segments", LW_TYPE_SECTIONS, LW_SECTION_SEGMENT, NULL, 0, NULL,
     "The lab's networks. Names have at most 12 letters, 9 unless `bridge` is given.", NULL},
    {LW_KEY_MACHINES, LW_SECTION_TOP, "machines", LW_TYPE_SECTIONS, LW_SECTION_MACHINE, NULL, 0, NULL,
     "The machines whose place the file knows. Others may use a segment too, with addresses of its DHCP "
     "range.",
     NULL},
    {LW_KEY_ASSERT, LW_SECTION_TOP, "assert", LW_TYPE_ASSERTS, 0, NULL, 0, NULL,
     "What must hold whatever else the file says: checked with every plan and verify. An end is a segment, "
     "`SEGMENT/MACHINE`, a network, a prefix, `host`, `router`, `internet` or `home-lan`.",
     "[deny lan50 -> internet, allow lan40/builder -> host tcp/22]"},

    {LW_KEY_DEFAULTS_SEGMENT, LW_SECTION_DEFAULTS, "segment", LW_TYPE_SECTION, LW_SECTION_SEGMENT, NULL, 0,
     NULL, "Keys of a segment.", "{dhcp: .200-.240}"},
    {LW_KEY_DEFAULTS_MACHINE, LW_SECTION_DEFAULTS, "machine", LW_TYPE_SECTION, LW_SECTION_MACHINE, NULL, 0,
     NULL, "Keys of a machine.", "{cell: true}"},

    {LW_KEY_HOST_UPLINK, LW_SECTION_HOST, "uplink", LW_TYPE_UPLINK, 0, NULL, LW_KEY_REQUIRED, NULL,
     "The physical network card towards the home router. It becomes a port of `bridge`. Given by MAC it is "
     "found "
     "whatever its name is.",
     "enp1s0"},
    {LW_KEY_HOST_BRIDGE, LW_SECTION_HOST, "bridge", LW_TYPE_INTERFACE, 0, NULL, 0, "br0",
     "The bridge over the uplink. It takes over the uplink's MAC, so the home router's lease stays.", "br0"},
    {LW_KEY_HOST_MANAGEMENT, LW_SECTION_HOST, "management", LW_TYPE_SECTION, LW_SECTION_MANAGEMENT, NULL, 0,
     NULL, "The network between host and router.", NULL},
    {LW_KEY_HOST_SERVICES, LW_SECTION_HOST, "services", LW_TYPE_SERVICES, 0, NULL, 0, NULL,
     "What the host offers at its management address, by name: `allow: [host/NAME]` opens it.",
     "{ping: icmp, samba: [tcp/445, udp/445]}"},
    {LW_KEY_HOST_NETWORKS, LW_SECTION_HOST, "networks", LW_TYPE_NETWORKS, 0, NULL, 0, NULL,
     "Networks that are reached through the host (containers): a target like a segment, and part of `trust: "
     "host`.",
     "{containers: 172.16.0.0/12}"},
    {LW_KEY_HOST_ECHO, LW_SECTION_HOST, "echo", LW_TYPE_TEXT, 0, NULL, 0, "nobody is asked",
     "The URL of a service in the internet that answers with its caller's address (as plain text, or the "
     "first address in "
     "it). `verify --live` on a host asks it from each segment and exit, and takes it for a violation when "
     "one that leaves by "
     "a tunnel is seen as the home line. Nobody is asked unless it is named.",
     "https://ip.example.net"},

    {LW_KEY_MANAGEMENT_BRIDGE, LW_SECTION_MANAGEMENT, "bridge", LW_TYPE_INTERFACE, 0, NULL, 0, "br-mgmt",
     "Its bridge.", "br-mgmt"},
    {LW_KEY_MANAGEMENT_SUBNET, LW_SECTION_MANAGEMENT, "subnet", LW_TYPE_SUBNET, 0, NULL, 0, "192.168.99.0/24",
     "Its subnet.", "192.168.99.0/24"},
    {LW_KEY_MANAGEMENT_ADDRESS, LW_SECTION_MANAGEMENT, "address", LW_TYPE_ADDRESS, 0, NULL, 0,
     "the subnet's 15th", "The host's address in it.", "192.168.99.15"},
    {LW_KEY_MANAGEMENT_ROUTER, LW_SECTION_MANAGEMENT, "router", LW_TYPE_ADDRESS, 0, NULL, 0,
     "the subnet's first", "The router's address in it.", "192.168.99.1"},

    {LW_KEY_ROUTER_KIND, LW_SECTION_ROUTER, "kind", LW_TYPE_CHOICE, 0, "builtin opnsense", 0, "builtin",
     "`builtin`: a network namespace with nftables, dnsmasq and WireGuard. `opnsense`: a virtual machine.",
     "builtin"},
    {LW_KEY_ROUTER_VM, LW_SECTION_ROUTER, "vm", LW_TYPE_TEXT, 0, NULL, 0, "opnsense",
     "OPNsense: the virtual machine's name.", "opnsense"},
    {LW_KEY_ROUTER_ADOPT, LW_SECTION_ROUTER, "adopt", LW_TYPE_CHOICE, 0, "none observe replace", 0, "none",
     "OPNsense that was configured by hand: `none` refuses it, `observe` only proves it, `replace` takes it "
     "over.",
     "replace"},
    {LW_KEY_ROUTER_API, LW_SECTION_ROUTER, "api", LW_TYPE_SECTION, LW_SECTION_API, NULL, 0, NULL,
     "OPNsense: how its API is reached.", "{url: https://192.168.99.1, key-file: secrets/api.key}"},
    {LW_KEY_ROUTER_WAN_MAC, LW_SECTION_ROUTER, "wan-mac", LW_TYPE_MAC, 0, NULL, 0,
     "derived from the lab's name and the uplink's MAC",
     "MAC of the router's WAN leg: keeps the lease and the port forwards that the home router has for it.",
     "52:54:00:ab:cd:ef"},
    {LW_KEY_ROUTER_CREATE, LW_SECTION_ROUTER, "create", LW_TYPE_SECTION, LW_SECTION_ROUTER_CREATE, NULL, 0,
     NULL,
     "OPNsense: makes the virtual machine and boots it into this lab. Without it the router is there "
     "already. "
     "Experimental.",
     "{image: OPNsense-26.7-nano-amd64.img, memory: 8GiB, vcpus: 2, disk: 20GiB}"},

    {LW_KEY_API_URL, LW_SECTION_API, "url", LW_TYPE_URL, 0, NULL, LW_KEY_REQUIRED, NULL,
     "The address of its web page.", "https://192.168.99.1"},
    {LW_KEY_API_KEY_FILE, LW_SECTION_API, "key-file", LW_TYPE_PATH, 0, NULL, LW_KEY_REQUIRED, NULL,
     "The file with the API key and secret, of mode 0600.", "secrets/api.key"},
    {LW_KEY_API_CERTIFICATE, LW_SECTION_API, "certificate", LW_TYPE_TEXT, 0, NULL, 0,
     "one that the system trusts",
     "SHA-256 of the web page's certificate, 64 hexadecimal digits: the only one that is accepted. OPNsense "
     "makes its "
     "own, which nobody else has signed: `openssl s_client -connect 192.168.99.1:443 </dev/null | openssl "
     "x509 "
     "-noout -fingerprint -sha256`, at the router's own console or the first time.",
     "0a1b…"},

    {LW_KEY_ROUTER_CREATE_IMAGE, LW_SECTION_ROUTER_CREATE, "image", LW_TYPE_PATH, 0, NULL, LW_KEY_REQUIRED,
     NULL, "OPNsense's nano image, unpacked. Read once, when the disk is made.",
     "OPNsense-26.7-nano-amd64.img"},
    {LW_KEY_ROUTER_CREATE_MEMORY, LW_SECTION_ROUTER_CREATE, "memory", LW_TYPE_SIZE, 0, NULL, 0, "4GiB",
     "Its memory.", "8GiB"},
    {LW_KEY_ROUTER_CREATE_VCPUS, LW_SECTION_ROUTER_CREATE, "vcpus", LW_TYPE_NUMBER, 0, NULL, 0, "2",
     "Its processors.", "2"},
    {LW_KEY_ROUTER_CREATE_DISK, LW_SECTION_ROUTER_CREATE, "disk", LW_TYPE_SIZE, 0, NULL, 0, "20GiB",
     "The size of its disk, which the system grows into at its first boot.", "20GiB"},

    {LW_KEY_SEGMENT_SUBNET, LW_SECTION_SEGMENT, "subnet", LW_TYPE_SUBNET, 0, NULL,
     LW_KEY_REQUIRED | LW_KEY_NO_DEFAULT, NULL, "Its subnet, /8 to /30. No two overlap.", "192.168.10.0/24"},
    {LW_KEY_SEGMENT_BRIDGE, LW_SECTION_SEGMENT, "bridge", LW_TYPE_INTERFACE, 0, NULL, LW_KEY_NO_DEFAULT,
     "virbr-NAME",
     "Its bridge on the host. One that is there, by another name than the default, is used as it is and "
     "never removed.",
     "virbr-lan10"},
    {LW_KEY_SEGMENT_NETWORK, LW_SECTION_SEGMENT, "network", LW_TYPE_TEXT, 0, NULL, LW_KEY_NO_DEFAULT,
     "switch-NAME", "Its libvirt network.", "switch-lan10"},
    {LW_KEY_SEGMENT_ROUTER, LW_SECTION_SEGMENT, "router", LW_TYPE_SUBNET_ADDRESS, 0, NULL, 0,
     "the subnet's first", "The router's address: the machines' gateway and resolver.", ".1"},
    {LW_KEY_SEGMENT_DHCP, LW_SECTION_SEGMENT, "dhcp", LW_TYPE_RANGE, 0, NULL, 0, "no DHCP",
     "The addresses that DHCP hands out.", ".200-.240"},
    {LW_KEY_SEGMENT_DNS, LW_SECTION_SEGMENT, "dns", LW_TYPE_ADDRESSES, 0, NULL, 0, "the exit's own",
     "Resolvers that the gateway asks; machines always ask the gateway.", "[8.8.8.8, 1.1.1.1]"},
    {LW_KEY_SEGMENT_DNS_FOREIGN, LW_SECTION_SEGMENT, "dns-foreign", LW_TYPE_CHOICE, 0, "redirect refuse", 0,
     "redirect", "What becomes of queries to other resolvers.", "refuse"},
    {LW_KEY_SEGMENT_EGRESS, LW_SECTION_SEGMENT, "egress", LW_TYPE_EGRESS, 0, NULL, 0, "none",
     "The way to the internet: `direct` by WAN; `none`; a tunnel; or a pool of tunnels, of which the first "
     "is active "
     "until switched. What leaves by tunnels never leaves by WAN.",
     "[se, de, us]"},
    {LW_KEY_SEGMENT_PIN, LW_SECTION_SEGMENT, "pin", LW_TYPE_PINS, 0, NULL, 0, NULL,
     "Sources that use a certain tunnel whatever is active. Binds declared addresses.",
     "{.20-.29: de, .30-.39: us}"},
    {LW_KEY_SEGMENT_ALLOW, LW_SECTION_SEGMENT, "allow", LW_TYPE_ALLOW, 0, NULL, 0, NULL,
     "What its machines may open besides the internet. TARGET is `host/SERVICE`, `host:PROTO/PORT`, "
     "`SEGMENT`, "
     "`SEGMENT/MACHINE`, a network, `home-lan`, `router/ntp` or a prefix. One-sided: replies pass by "
     "themselves.",
     "[host/ping from .0/26, \"lan20/seedbox:tcp/8080\"]"},
    {LW_KEY_SEGMENT_TRUST, LW_SECTION_SEGMENT, "trust", LW_TYPE_CHOICE, 0, "none host", 0, "none",
     "`host`: segment and host may open anything towards each other.", "host"},
    {LW_KEY_SEGMENT_HOST, LW_SECTION_SEGMENT, "host", LW_TYPE_SECTION, LW_SECTION_SEGMENT_HOST, NULL, 0, NULL,
     "What the host may open into the segment without `trust`.", "{allow: [\"lan10/nas:tcp/22\"]}"},
    {LW_KEY_SEGMENT_FORWARD, LW_SECTION_SEGMENT, "forward", LW_TYPE_FORWARDS, LW_SECTION_FORWARD, NULL, 0,
     NULL,
     "Ports of the exit that lead to machines of the segment. The true source is kept; replies leave by the "
     "exit they "
     "came in on.",
     "[{port: tcp+udp/51413, to: seedbox}]"},
    {LW_KEY_SEGMENT_ISOLATE, LW_SECTION_SEGMENT, "isolate", LW_TYPE_BOOLEAN, 0, NULL, 0, "false",
     "`true`: machines of the segment cannot reach each other either.", "true"},

    {LW_KEY_SEGMENT_HOST_ALLOW, LW_SECTION_SEGMENT_HOST, "allow", LW_TYPE_ALLOW, 0, NULL, 0, NULL,
     "Targets are this segment and its machines.", "[\"lan10/nas:tcp/22\"]"},

    {LW_KEY_FORWARD_PORT, LW_SECTION_FORWARD, "port", LW_TYPE_FORWARD_PORT, 0, NULL, LW_KEY_REQUIRED, NULL,
     "The port of the exit.", "tcp+udp/51413"},
    {LW_KEY_FORWARD_TO, LW_SECTION_FORWARD, "to", LW_TYPE_NAME, 0, NULL, LW_KEY_REQUIRED, NULL,
     "The machine; it needs an `address` in the segment.", "seedbox"},
    {LW_KEY_FORWARD_TO_PORT, LW_SECTION_FORWARD, "to-port", LW_TYPE_PORT, 0, NULL, 0, "the same port",
     "The machine's port; of a range, the first.", "443"},

    {LW_KEY_MACHINE_KIND, LW_SECTION_MACHINE, "kind", LW_TYPE_CHOICE, 0, "vm container cell", 0, "vm",
     "`vm`: a libvirt domain. `container`: one of Docker's or Podman's. `cell`: namespaces of its own, "
     "started at once "
     "and without an image.",
     "cell"},
    {LW_KEY_MACHINE_VM, LW_SECTION_MACHINE, "vm", LW_TYPE_TEXT, 0, NULL, LW_KEY_NO_DEFAULT,
     "the machine's name", "The domain's name, when it is another; says `kind: vm` too.", "Gaming PC"},
    {LW_KEY_MACHINE_CONTAINER, LW_SECTION_MACHINE, "container", LW_TYPE_TEXT, 0, NULL, LW_KEY_NO_DEFAULT,
     "the machine's name", "The container's name; says `kind: container` too.", "indexer"},
    {LW_KEY_MACHINE_CELL, LW_SECTION_MACHINE, "cell", LW_TYPE_CELL, LW_SECTION_CELL, NULL, 0, "false",
     "`true`, or the cell's own keys; says `kind: cell` too.", "true"},
    {LW_KEY_MACHINE_COMMAND, LW_SECTION_MACHINE, "command", LW_TYPE_COMMAND, 0, NULL, 0, NULL,
     "What a cell runs.", "[python3, -m, http.server]"},
    {LW_KEY_MACHINE_CREATE, LW_SECTION_MACHINE, "create", LW_TYPE_SECTION, LW_SECTION_CREATE, NULL, 0, NULL,
     "Makes the virtual machine. Without it a domain of that name is adopted: its network cards alone are "
     "lanward's.",
     "{memory: 4GiB, disk: {size: 20GiB}, cdrom: debian.iso}"},
    {LW_KEY_MACHINE_START, LW_SECTION_MACHINE, "start", LW_TYPE_SECTION, LW_SECTION_START, NULL, 0, NULL,
     "Starts the machine with the host, in order. Without it, it is left to whoever starts it now.",
     "{after: [vault], delay: 5s, timeout: 2m}"},
    {LW_KEY_MACHINE_NICS, LW_SECTION_MACHINE, "nics", LW_TYPE_NICS, LW_SECTION_NIC, NULL, LW_KEY_NO_DEFAULT,
     NULL, "Its network cards, when there are several.",
     "[{segment: lan10, address: .31}, {segment: lan20, address: .31}]"},
    CARD(MACHINE, LW_SECTION_MACHINE),

    CARD(NIC, LW_SECTION_NIC),

    {LW_KEY_CELL_COMMAND, LW_SECTION_CELL, "command", LW_TYPE_COMMAND, 0, NULL, 0, NULL,
     "What it runs: a program and its arguments.", "[sleep, infinity]"},

    {LW_KEY_CREATE_MEMORY, LW_SECTION_CREATE, "memory", LW_TYPE_SIZE, 0, NULL, LW_KEY_REQUIRED, NULL,
     "Its memory.", "4GiB"},
    {LW_KEY_CREATE_VCPUS, LW_SECTION_CREATE, "vcpus", LW_TYPE_NUMBER, 0, NULL, 0, "1", "Its processors.",
     "2"},
    {LW_KEY_CREATE_DISK, LW_SECTION_CREATE, "disk", LW_TYPE_SECTION, LW_SECTION_DISK, NULL, 0, NULL,
     "Its disk.", "{size: 20GiB}"},
    {LW_KEY_CREATE_CDROM, LW_SECTION_CREATE, "cdrom", LW_TYPE_PATH, 0, NULL, 0, NULL,
     "A disc image that it can start from, when its disk is empty.", "debian.iso"},
    {LW_KEY_CREATE_FIRMWARE, LW_SECTION_CREATE, "firmware", LW_TYPE_CHOICE, 0, "bios uefi", 0, "bios",
     "What starts it. `uefi` needs the package ovmf.", "uefi"},
    {LW_KEY_CREATE_SEED, LW_SECTION_CREATE, "seed", LW_TYPE_PATH, 0, NULL, 0, NULL,
     "A file of user-data for cloud-init: given to the machine as a disc (NoCloud), with its name.",
     "user-data.yaml"},
    {LW_KEY_CREATE_DEVICES, LW_SECTION_CREATE, "devices", LW_TYPE_PCI, 0, NULL, 0, NULL,
     "PCI devices of the host (a GPU) that are handed through. All of an IOMMU group, or none.",
     "[0000:01:00.0, 0000:01:00.1]"},
    {LW_KEY_CREATE_AUTOSTART, LW_SECTION_CREATE, "autostart", LW_TYPE_BOOLEAN, 0, NULL, 0, "false",
     "libvirt starts it with the host.", "true"},

    {LW_KEY_DISK_SIZE, LW_SECTION_DISK, "size", LW_TYPE_SIZE, 0, NULL, 0, "the image's", "Its size.",
     "20GiB"},
    {LW_KEY_DISK_IMAGE, LW_SECTION_DISK, "image", LW_TYPE_PATH, 0, NULL, 0, "an empty disk",
     "A disk image (qcow2, raw) that it begins as a copy of.", "debian-12-generic-amd64.qcow2"},
    {LW_KEY_DISK_PATH, LW_SECTION_DISK, "path", LW_TYPE_PATH, 0, NULL, 0,
     "/var/lib/libvirt/images/DOMAIN.qcow2", "Where it is; `.qcow2` says its format, all else is raw.",
     "/srv/vm/gaming.qcow2"},

    {LW_KEY_START_AFTER, LW_SECTION_START, "after", LW_TYPE_MACHINES, 0, NULL, 0, NULL,
     "Machines that are ready first: they run, and have their leases. One that fails, or takes longer than "
     "its timeout, "
     "is named and waited for no more.",
     "[vault, indexer]"},
    {LW_KEY_START_DELAY, LW_SECTION_START, "delay", LW_TYPE_DURATION, 0, NULL, 0, "0s",
     "How long it waits after that.", "5s"},
    {LW_KEY_START_TIMEOUT, LW_SECTION_START, "timeout", LW_TYPE_DURATION, 0, NULL, 0, "60s",
     "How long it may take until it is ready; and to shut down.", "2m"},
};

const LwKey *lw_key_find(LwSectionId section, const char *key) {
  for (guint i = 0; i < LW_KEY_COUNT; i++)
    if (lw_keys[i].section == section && strcmp(lw_keys[i].key, key) == 0)
      return &lw_keys[i];
  return NULL;
}
