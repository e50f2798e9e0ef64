/* What there is in a config.xml that was read, by name; and names for people. */
#include "providers/opnsense/config.h"

#include <string.h>

/* The first of a list whose member there is that text; NULL. */
static gconstpointer find(const GPtrArray *list, gsize member, const char *text) {
  for (guint i = 0; text && i < list->len; i++)
    if (g_strcmp0(G_STRUCT_MEMBER(const char *, list->pdata[i], member), text) == 0)
      return list->pdata[i];
  return NULL;
}

const LwOpnInterface *lw_opn_interface(const LwOpn *opn, const char *key) {
  return find(opn->interfaces, G_STRUCT_OFFSET(LwOpnInterface, key), key);
}

const LwOpnInterface *lw_opn_interface_of_device(const LwOpn *opn, const char *device) {
  return find(opn->interfaces, G_STRUCT_OFFSET(LwOpnInterface, device), device);
}

const LwOpnAlias *lw_opn_alias(const LwOpn *opn, const char *name) {
  return find(opn->aliases, G_STRUCT_OFFSET(LwOpnAlias, name), name);
}

char *lw_opn_rule_name(const LwOpnRule *rule) {
  if (*rule->descr)
    return g_strdup(rule->descr);
  if (rule->automatic)
    return g_strdup("an automatic rule");
  return g_strdup_printf("rule %u of %s", rule->number, rule->legacy ? "Rules (old page)" : "Rules");
}

int lw_opn_natural_cmp(const char *a, const char *b) {
  while (*a && *b) {
    if (g_ascii_isdigit(*a) && g_ascii_isdigit(*b)) {
      while (*a == '0' && g_ascii_isdigit(a[1]))
        a++;
      while (*b == '0' && g_ascii_isdigit(b[1]))
        b++;
      gsize digits_a = strspn(a, "0123456789"), digits_b = strspn(b, "0123456789");
      if (digits_a != digits_b)
        return digits_a < digits_b ? -1 : 1;
      int order = strncmp(a, b, digits_a);
      if (order)
        return order;
      a += digits_a;
      b += digits_b;
    } else if (*a != *b) {
      return (guchar)*a < (guchar)*b ? -1 : 1;
    } else {
      a++, b++;
    }
  }
  return *a ? 1 : *b ? -1 : 0;
}
