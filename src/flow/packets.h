/* Sets of packets: exact, as decision diagrams over the headers that rules look at.
 *
 * A set is an LwMdd of a pool (flow/mdd.h); union, intersection and difference are those of mdd.h. IPv4 and
 * IPv6 share the words of addresses: an IPv4 address uses the first two, and the rest are free (so a set
 * never tests them). Ports are bytes 0-1 and 2-3 of whatever follows the IP header, as nftables' "th" reads
 * them; of ICMP, ICMPv6 its type.
 */
#pragma once

#include "base/addr.h"
#include "flow/mdd.h"

typedef enum {
  LW_HEADER_OIF,    /* a number of the caller's, below 2^16: the way out, where it is not decided yet */
  LW_HEADER_FAMILY, /* 0: IPv4, 1: IPv6 */
  LW_HEADER_SADDR,
  LW_HEADER_DADDR,
  LW_HEADER_PROTO,
  LW_HEADER_DPORT,
  LW_HEADER_ICMP_TYPE,
  LW_HEADER_ICMP_CODE,
  LW_HEADER_TCP_FLAGS, /* as in the header: FIN is bit 0 */
  LW_HEADER_SPORT,
  LW_HEADER_ETH_SRC,
  LW_HEADER_LAST
} LwHeaderField;

/* One packet. */
typedef struct {
  LwAddr source, destination; /* of one family */
  guint8 proto, icmp_type, icmp_code, tcp_flags;
  guint16 sport, dport;
  LwMac mac; /* of the frame it came in */
} LwHeader;

/* One dimension of a box: first to last, inclusive, as big-endian bytes of which the field's bits are used.
 */
typedef struct {
  LwHeaderField field;
  guint bits;
  guint8 first[16], last[16];
} LwSpan;

LwSpan lw_span_number(LwHeaderField field, guint64 first, guint64 last);
LwSpan lw_span_addr(LwHeaderField field, const LwAddr *first, const LwAddr *last);
LwSpan lw_span_range(LwHeaderField field, const LwRange *range);
LwSpan lw_span_prefix(LwHeaderField field, const LwPrefix *prefix);
LwSpan lw_span_mac(LwHeaderField field, const LwMac *mac);

#define LW_BOX_SPANS_MAX 16
/* The packets that lie in all of the spans (at most LW_BOX_SPANS_MAX; at most one a field; an address implies
 * its family, two of different families are nothing). Built bottom-up, without one operation on sets. */
LwMdd lw_packets_box(LwMddPool *pool, const LwSpan *spans, guint count);
LwMdd lw_packets_number(LwMddPool *pool, LwHeaderField field, guint64 first, guint64 last);
/* Those with value in the bits of mask; the other bits are free. */
LwMdd lw_packets_masked(LwMddPool *pool, LwHeaderField field, guint64 value, guint64 mask);
LwMdd lw_packets_range(LwMddPool *pool, LwHeaderField field, const LwRange *range);
LwMdd lw_packets_prefix(LwMddPool *pool, LwHeaderField field, const LwPrefix *prefix);
LwMdd lw_packets_addr(LwMddPool *pool, LwHeaderField field, const LwAddr *addr);
LwMdd lw_packets_family(LwMddPool *pool, guint8 family);
/* Everything that looks just like this packet (the MAC only when it is set). */
LwMdd lw_packets_of(LwMddPool *pool, const LwHeader *header);
/* Is the packet one of the set? As lw_mdd_intersects() with lw_packets_of(), by walking down alone. */
gboolean lw_packets_contain(LwMddPool *pool, LwMdd set, const LwHeader *header);

/* The same packets whatever they have in the field. */
LwMdd lw_packets_forget(LwMddPool *pool, LwMdd set, LwHeaderField field);
/* The image of the set when the field is written: forgotten, then the span's. */
LwMdd lw_packets_write(LwMddPool *pool, LwMdd set, const LwSpan *span);
/* Those that go out by this OIF, without the field; by walking down, not by an operation. */
LwMdd lw_packets_by_oif(LwMddPool *pool, LwMdd set, guint oif);
/* A map from destinations to numbers below 2^16, as a set: pieces of it, united with lw_mdd_or(). */
LwMdd lw_packets_leading_to(LwMddPool *pool, LwMdd destinations /* tests addresses' family and DADDR alone */,
                            guint number);
/* The numbers that some packet of the set is led to. Appends each once. */
void lw_packets_led_to(LwMddPool *pool, LwMdd set, LwMdd map, GArray *out /* of guint */);
/* Every OIF that is told apart: appends those whose packets differ from by_oif(0), all others being alike. */
void lw_packets_oifs(LwMddPool *pool, LwMdd set, GArray *out /* of guint */);

/* A member. wishes: sets tried one after the other, each narrows the choice when something is left then.
 * FALSE when the set is empty. */
gboolean lw_packets_pick(LwMddPool *pool, LwMdd set, const LwMdd *wishes, guint count, LwHeader *out);
/* How many packets, of both families; free bits of IPv4 addresses, OIF and MAC are not counted. */
double lw_packets_count(LwMddPool *pool, LwMdd set);

/* A piece of a set as people write it: any of the sources to any of the destinations, … . Empty lists:
 * everything. */
typedef struct {
  guint8 family;
  GArray *sources, *destinations;                /* of LwRange */
  GArray *protos, *dports, *icmp_types, *sports; /* of LwNumbers */
} LwPiece;

typedef struct {
  guint32 first, last;
} LwNumbers;

/* The set as disjoint pieces, at most `most` (the rest is left out; *whole says whether none was). OIF, MAC,
 * ICMP codes and TCP flags are forgotten. Of LwPiece*, freeing. */
GPtrArray *lw_packets_pieces(LwMddPool *pool, LwMdd set, guint most, gboolean *whole);
/* "192.168.50.0/24 -> 8.8.8.8 tcp/443". Transfer full. */
char *lw_piece_format(const LwPiece *piece);
/* "192.168.50.25 -> 45.1.2.3 tcp/443", "… icmp type 8". Transfer full. */
char *lw_header_format(const LwHeader *header);
