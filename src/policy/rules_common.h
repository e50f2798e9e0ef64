/* Shared by the builders of the three tables; private to src/policy. */
#pragma once

#include "policy/names.h"
#include "resource/rules.h"

#define LW_LOG_GROUP 77 /* nflog group that every drop is told to; `lanward drops` listens there */

/* lw_set_add() with the key written out. */
#define lw_set_put(set, origin, ...)                                                                         \
  lw_set_add((set), (LwValue[]){__VA_ARGS__}, (guint)(sizeof((LwValue[]){__VA_ARGS__}) / sizeof(LwValue)),   \
             (origin))

#define LW_ORIGIN_NONE ((LwOrigin){0})

static inline void lw_rule_drop(LwRule *rule, const char *log_prefix) {
  lw_rule_add_action(rule, LW_ACTION_COUNT);
  LwAction *log = lw_rule_add_action(rule, LW_ACTION_LOG);
  log->text = g_strdup(log_prefix);
  log->number = LW_LOG_GROUP;
  lw_rule_verdict(rule, LW_VERDICT_DROP, NULL);
}

static inline void lw_rule_accept(LwRule *rule) {
  lw_rule_verdict(rule, LW_VERDICT_ACCEPT, NULL);
}
