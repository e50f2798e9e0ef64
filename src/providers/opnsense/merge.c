#include "providers/opnsense/merge.h"

#include "providers/opnsense/changes.h"
#include "providers/opnsense/config.h"
#include "providers/opnsense/xml.h"

#include <string.h>

typedef struct {
  xmlNode *existing, *made;
  GHashTable *keys; /* of the made file -> of the existing one */
  LwOpnMergeNotes *notes;
} Merge;

/* ---- interfaces ---- */

static xmlNode *interface_of_device(xmlNode *root, const char *device) {
  xmlNode *interfaces = lw_xml_find(root, "interfaces");
  LW_XML_EACH(each, interfaces, NULL) {
    g_autofree char *own = lw_xml_text(each, "if");
    if (g_strcmp0(own, device) == 0)
      return each;
  }
  return NULL;
}

static gboolean is_taken(const Merge *merge, const char *key) {
  g_autofree char *path = g_strdup_printf("interfaces/%s", key);
  GHashTableIter iter;
  gpointer value;
  if (lw_xml_find(merge->existing, path))
    return TRUE;
  g_hash_table_iter_init(&iter, merge->keys);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    if (g_str_equal(value, key))
      return TRUE;
  return FALSE;
}

static char *key_for(const Merge *merge, xmlNode *interface) {
  g_autofree char *device = lw_xml_text(interface, "if");
  xmlNode *there = interface_of_device(merge->existing, device);
  if (there)
    return g_strdup((const char *)there->name);
  g_autofree char *key = g_strdup((const char *)interface->name);
  for (guint n = 2000; is_taken(merge, key); n++) {
    g_free(key);
    key = g_strdup_printf("opt%u", n);
  }
  return g_steal_pointer(&key);
}

static void match_interfaces(Merge *merge) {
  xmlNode *interfaces = lw_xml_find(merge->made, "interfaces");
  LW_XML_EACH(each, interfaces, NULL)
  g_hash_table_insert(merge->keys, g_strdup((const char *)each->name), key_for(merge, each));
}

/* "opt2,opt3ip" in the other file's keys. Transfer full. */
static char *in_its_keys(const Merge *merge, const char *list) {
  g_auto(GStrv) words = g_strsplit(list, ",", -1);
  for (char **word = words; *word; word++) {
    gboolean address = g_str_has_suffix(*word, "ip") && !g_hash_table_contains(merge->keys, *word);
    g_autofree char *key = address ? g_strndup(*word, strlen(*word) - 2) : g_strdup(*word);
    const char *other = g_hash_table_lookup(merge->keys, key);
    if (!other)
      continue;
    g_free(*word);
    *word = g_strdup_printf("%s%s", other, address ? "ip" : "");
  }
  return g_strjoinv(",", words);
}

static void set_text(xmlNode *node, const char *text) {
  xmlChar *escaped = xmlEncodeEntitiesReentrant(node->doc, (const xmlChar *)text);
  xmlNodeSetContent(node, escaped);
  xmlFree(escaped);
}

static gboolean names_interfaces(xmlNode *field) {
  static const char *const names[] = {
      "interface", "interfaces", "no_interface", "source_net", "destination_net", "network", NULL};
  return g_strv_contains(names, (const char *)field->name);
}

static void rename_keys(const Merge *merge, xmlNode *node) {
  LW_XML_EACH(each, node, NULL) {
    if (lw_xml_from(each->children, NULL)) {
      rename_keys(merge, each);
    } else if (names_interfaces(each)) {
      g_autofree char *text = lw_xml_text(each->parent, (const char *)each->name);
      g_autofree char *renamed = text ? in_its_keys(merge, text) : NULL;
      if (renamed && !g_str_equal(renamed, text))
        set_text(each, renamed);
    }
  }
}

/* ---- parts of a file ---- */

/* The element at a path, made where it is missing. */
static xmlNode *reach(xmlNode *root, const char *path) {
  g_auto(GStrv) names = g_strsplit(path, "/", -1);
  for (char **name = names; *name; name++) {
    xmlNode *next = lw_xml_from(root->children, *name);
    root = next ? next : xmlNewChild(root, NULL, (const xmlChar *)*name, NULL);
  }
  return root;
}

static void remove_node(xmlNode *node) {
  xmlUnlinkNode(node);
  xmlFreeNode(node);
}

/* One element as the made file has it; everything beside it stays. */
static void copy_over(const Merge *merge, const char *parent, const char *name) {
  g_autofree char *path = g_strdup_printf("%s/%s", parent, name);
  xmlNode *from = lw_xml_find(merge->made, path), *to = reach(merge->existing, parent);
  xmlNode *old = lw_xml_from(to->children, name);
  if (old)
    remove_node(old);
  if (from)
    xmlAddChild(to, xmlDocCopyNode(from, to->doc, 1));
}

static void merge_interfaces(const Merge *merge) {
  xmlNode *to = reach(merge->existing, "interfaces"), *from = lw_xml_find(merge->made, "interfaces");
  LW_XML_EACH(each, from, NULL) {
    const char *key = g_hash_table_lookup(merge->keys, each->name);
    xmlNode *there = lw_xml_from(to->children, key);
    if (!there)
      there = xmlNewChild(to, NULL, (const xmlChar *)key, NULL);
    LW_XML_EACH(field, each, NULL) {
      xmlNode *old = lw_xml_from(there->children, (const char *)field->name);
      /* what a person calls it stays */
      if (old && g_str_equal((const char *)field->name, "descr"))
        continue;
      if (old)
        remove_node(old);
      xmlAddChild(there, xmlDocCopyNode(field, to->doc, 1));
    }
  }
}

static gboolean is_ours(xmlNode *item) {
  static const char *const names[] = {"description", "descr"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *text = lw_xml_text(item, names[i]);
    if (text && (g_str_equal(text, "lanward") || g_str_has_prefix(text, "lanward: ")))
      return TRUE;
  }
  return FALSE;
}

static gboolean same_value(xmlNode *a, xmlNode *b, const char *name) {
  g_autofree char *x = lw_xml_text(a, name), *y = lw_xml_text(b, name);
  return x && *x && g_strcmp0(x, y) == 0;
}

/* Whether an item of the router takes the place of one of ours: the same UUID, the same instance, name,
 * machine, or range. */
static gboolean collides(xmlNode *item, xmlNode *ours, const LwOpnKind *kind) {
  xmlChar *a = xmlGetProp(item, (const xmlChar *)"uuid"), *b = xmlGetProp(ours, (const xmlChar *)"uuid");
  gboolean same = a && b && xmlStrEqual(a, b);
  xmlFree(a);
  xmlFree(b);
  static const struct {
    const char *kind, *field;
  } unique[] = {{"instance", "instance"}, {"gateway", "name"}, {"gateway", "interface"}, {"alias", "name"},
                {"host", "ip"},           {"host", "hwaddr"},  {"range", "interface"}};
  for (guint i = 0; i < G_N_ELEMENTS(unique); i++)
    if (g_str_equal(unique[i].kind, kind->name))
      same |= same_value(item, ours, unique[i].field);
  return same;
}

static gboolean collides_any(const Merge *merge, xmlNode *item, const LwOpnKind *kind) {
  xmlNode *container = lw_xml_find(merge->made, kind->container);
  LW_XML_EACH(ours, container, kind->item)
  if (collides(item, ours, kind))
    return TRUE;
  return FALSE;
}

/* ---- rules of the user's ---- */

static gboolean is_of_lab(const Merge *merge, const char *interfaces) {
  GHashTableIter iter;
  gpointer value;
  g_auto(GStrv) keys = g_strsplit(interfaces ? interfaces : "", ",", -1);
  if (!keys[0])
    return FALSE;
  for (char **key = keys; *key; key++) {
    gboolean found = FALSE;
    g_hash_table_iter_init(&iter, merge->keys);
    while (g_hash_table_iter_next(&iter, NULL, &value))
      found |= g_str_equal(value, *key);
    if (!found)
      return FALSE;
  }
  return TRUE;
}

static void name_rule(GPtrArray *out, xmlNode *rule, const char *interface) {
  g_autofree char *descr = lw_xml_text(rule, "descr");
  if (!descr || !*descr) {
    g_free(descr);
    descr = lw_xml_text(rule, "description");
  }
  g_ptr_array_add(out, g_strdup_printf("%s: %s", interface && *interface ? interface : "floating",
                                       descr && *descr ? descr : "a rule without a description"));
}

/* Rules whose interfaces are all the lab's go; of several interfaces, or of all, they stay and are named. */
static void take_out_rules(const Merge *merge, const char *path, gboolean translations) {
  xmlNode *container = lw_xml_find(merge->existing, path);
  xmlNode *next;
  for (xmlNode *each = lw_xml_from(container ? container->children : NULL, "rule"); each; each = next) {
    g_autofree char *interface = lw_xml_text(each, "interface");
    next = lw_xml_from(each->next, "rule");
    gboolean floating = lw_xml_find(each, "floating") != NULL;
    if (is_ours(each)) {
      remove_node(each);
    } else if (is_of_lab(merge, interface) && !floating) {
      name_rule(merge->notes->goes, each, interface);
      merge->notes->legacy += g_str_equal(path, "filter");
      remove_node(each);
    } else if (!translations) {
      name_rule(merge->notes->stays, each, interface);
    }
  }
}

static void merge_items(const Merge *merge, const LwOpnKind *kind) {
  xmlNode *to = reach(merge->existing, kind->container), *from = lw_xml_find(merge->made, kind->container);
  xmlNode *next;
  for (xmlNode *each = lw_xml_from(to->children, kind->item); each; each = next) {
    next = lw_xml_from(each->next, kind->item);
    if (is_ours(each) || collides_any(merge, each, kind))
      remove_node(each);
  }
  LW_XML_EACH(each, from, kind->item)
  xmlAddChild(to, xmlDocCopyNode(each, to->doc, 1));
}

static void merge_all(Merge *merge) {
  static const char *const names[] = {"instance", "peer",   "gateway",    "alias",   "host",
                                      "range",    "option", "source-nat", "forward", "rule"};
  static const struct {
    const char *parent, *name;
  } settings[] = {{"system/webgui", "interfaces"},
                  {"system/webgui", "noantilockout"},
                  {"system/ssh", "interfaces"},
                  {"system", "skip_rules_gw_down"},
                  {"system", "ipv6allow"},
                  {"OPNsense/Interfaces/settings", "disableipv6"},
                  {"OPNsense/wireguard/general", "enabled"},
                  {"ntpd", "interface"},
                  {"nat/outbound", "mode"},
                  {"dnsmasq", "enable"},
                  {"dnsmasq", "port"},
                  {"dnsmasq", "no_resolv"},
                  {"dnsmasq", "interface"},
                  {"dnsmasq", "no_ident"}};
  rename_keys(merge, merge->made);
  take_out_rules(merge, "filter", FALSE);
  take_out_rules(merge, "OPNsense/Firewall/Filter/rules", FALSE);
  take_out_rules(merge, "OPNsense/Firewall/Filter/snatrules", TRUE);
  take_out_rules(merge, "nat", TRUE);
  merge_interfaces(merge);
  for (guint i = 0; i < G_N_ELEMENTS(settings); i++)
    copy_over(merge, settings[i].parent, settings[i].name);
  copy_over(merge, "dnsmasq", "dhcp");
  for (guint i = 0; i < G_N_ELEMENTS(names); i++)
    merge_items(merge, lw_opn_kind(names[i]));
  xmlNode *routes = lw_xml_find(merge->made, "staticroutes");
  LW_XML_EACH(each, routes, "route") {
    xmlNode *to = reach(merge->existing, "staticroutes");
    xmlAddChild(to, xmlDocCopyNode(each, to->doc, 1));
  }
}

static xmlDoc *parse(const char *text, GError **error) {
  g_autoptr(LwOpn) checked = lw_opn_parse(text, strlen(text), error);
  return checked
             ? xmlReadMemory(text, (int)strlen(text), NULL, NULL,
                             XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOBLANKS)
             : NULL;
}

static void drop_old_routes(xmlNode *root) {
  xmlNode *routes = lw_xml_find(root, "staticroutes"), *next;
  for (xmlNode *each = lw_xml_from(routes ? routes->children : NULL, "route"); each; each = next) {
    next = lw_xml_from(each->next, "route");
    if (is_ours(each))
      remove_node(each);
  }
}

char *lw_opn_merge(const char *existing, const char *made, LwOpnMergeNotes *notes, GError **error) {
  xmlDoc *old = parse(existing, error), *new = old ? parse(made, error) : NULL;
  char *text = NULL;
  if (old && new) {
    g_autoptr(GHashTable) keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    Merge merge = {xmlDocGetRootElement(old), xmlDocGetRootElement(new), keys, notes};
    match_interfaces(&merge);
    drop_old_routes(merge.existing);
    merge_all(&merge);
    xmlChar *buffer = NULL;
    int length = 0;
    xmlDocDumpFormatMemoryEnc(old, &buffer, &length, "UTF-8", 1);
    text = g_strndup((const char *)buffer, (gsize)length);
    explicit_bzero(buffer, (gsize)length);
    xmlFree(buffer);
  }
  if (old)
    xmlFreeDoc(old);
  if (new)
    xmlFreeDoc(new);
  return text;
}
