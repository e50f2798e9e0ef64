/* The sets of src/flow beside BuDDy's, on the same formulas: a policy's worth of boxes (source, destination,
 * protocol, port), their union, and what is in it and not in another. Each as often as it takes; the ratio
 * counts.
 *
 *   mdd [BOXES]
 */
#include "flow/packets.h"

#include <bdd.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct {
  guint32 source, destination;
  guint16 port;
} Box;

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1000 + (double)t.tv_nsec / 1e6;
}

static Box box_of(guint i, guint shift) {
  return (Box){0x0a000000u + (i % 1000) * 256 + 2 + i / 1000,
               0x0a000000u + ((i * 7 + shift) % 1000) * 256 + 1, (guint16)(1000 + (i * 13 + shift) % 5000)};
}

/* --- ours */

static LwMdd our_box(LwMddPool *pool, Box box) {
  LwAddr source = lw_addr_from_v4(box.source), destination = lw_addr_from_v4(box.destination);
  LwSpan spans[] = {lw_span_addr(LW_HEADER_SADDR, &source, &source),
                    lw_span_addr(LW_HEADER_DADDR, &destination, &destination),
                    lw_span_number(LW_HEADER_PROTO, 6, 6),
                    lw_span_number(LW_HEADER_DPORT, box.port, box.port)};
  return lw_packets_box(pool, spans, G_N_ELEMENTS(spans));
}

static LwMdd our_union(LwMddPool *pool, guint count, guint shift, double *boxes_ms) {
  double start = now_ms();
  g_autofree LwMdd *sets = g_new(LwMdd, count);
  for (guint i = 0; i < count; i++)
    sets[i] = our_box(pool, box_of(i, shift));
  *boxes_ms += now_ms() - start;
  return lw_mdd_or_all(pool, sets, count);
}

static void ours(guint count, double *boxes, double *unions, double *rest) {
  g_autoptr(LwMddPool) pool = lw_mdd_pool_new();
  double start = now_ms();
  *boxes = 0;
  LwMdd a = our_union(pool, count, 0, boxes), b = our_union(pool, count, 1, boxes);
  *unions = now_ms() - start - *boxes;
  start = now_ms();
  LwMdd only = lw_mdd_minus(pool, a, b), both = lw_mdd_and(pool, a, b);
  *rest = now_ms() - start;
  g_assert(only != LW_MDD_FALSE && both != LW_MDD_TRUE);
}

/* --- BuDDy's: a variable for each bit, in the same order */

static BDD bits(BDD then, int first, int count, guint32 value) {
  for (int i = count - 1; i >= 0; i--) {
    int variable = first + i;
    BDD literal = (value >> (count - 1 - i)) & 1u ? bdd_ithvar(variable) : bdd_nithvar(variable);
    BDD next = bdd_addref(bdd_and(literal, then));
    bdd_delref(then);
    then = next;
  }
  return then;
}

static BDD their_box(Box box) {
  BDD set = bits(bdd_addref(bddtrue), 73, 16, box.port);
  set = bits(set, 65, 8, 6);
  set = bits(set, 33, 32, box.destination);
  set = bits(set, 1, 32, box.source);
  return bits(set, 0, 1, 0);
}

static BDD their_union(guint count, guint shift, double *boxes_ms) {
  double start = now_ms();
  g_autofree BDD *sets = g_new(BDD, count);
  for (guint i = 0; i < count; i++)
    sets[i] = their_box(box_of(i, shift));
  *boxes_ms += now_ms() - start;
  for (; count > 1; count = (count + 1) / 2) {
    for (guint i = 0; i < count / 2; i++) {
      BDD one = sets[2 * i], other = sets[2 * i + 1];
      sets[i] = bdd_addref(bdd_or(one, other));
      bdd_delref(one);
      bdd_delref(other);
    }
    if (count % 2)
      sets[count / 2] = sets[count - 1];
  }
  return sets[0];
}

static void theirs(guint count, double *boxes, double *unions, double *rest) {
  double start = now_ms();
  *boxes = 0;
  BDD a = their_union(count, 0, boxes), b = their_union(count, 1, boxes);
  *unions = now_ms() - start - *boxes;
  start = now_ms();
  BDD only = bdd_addref(bdd_apply(a, b, bddop_diff)), both = bdd_addref(bdd_and(a, b));
  *rest = now_ms() - start;
  bdd_delref(only);
  bdd_delref(both);
}

int main(int argc, char **argv) {
  guint count = argc > 1 ? (guint)strtoul(argv[1], NULL, 10) : 10000;
  for (guint round = 0; round < 3; round++) {
    bdd_init(8000000, 1000000); /* enough for all of it: no garbage is collected */
    bdd_setvarnum(89);
    double ob, ou, orest, tb, tu, trest;
    ours(count, &ob, &ou, &orest);
    theirs(count, &tb, &tu, &trest);
    printf("%u boxes twice: made %.1f ms (BuDDy %.1f), united %.1f ms (%.1f), difference and intersection "
           "%.1f ms "
           "(%.1f); ours / BuDDy's %.2f\n",
           count, ob, tb, ou, tu, orest, trest, (ob + ou + orest) / (tb + tu + trest));
    bdd_done();
  }
  return 0;
}
