/* What the engines say, as they said it: the answers of Podman 4.3.1 as they came, and Docker's by its
 * documented API (v1.44). */
#include "base/error.h"
#include "providers/container/engine.h"
#include "providers/container/resolv.h"
#include "providers/container/translate.h"

#include <string.h>
#include <unistd.h>

#define PODMAN(mode, networks)                                                                               \
  "{\"Id\":\"6f0f\",\"State\":{\"Status\":\"running\",\"Running\":true,\"Pid\":53},\"ResolvConfPath\":\"\"," \
  "\"Name\":\"/indexer\",\"HostConfig\":{\"NetworkMode\":\"" mode "\",\"Privileged\":false},"                \
  "\"NetworkSettings\":{\"SandboxKey\":\"\",\"Networks\":" networks "}}"

static LwContainerInfo *parse(const char *json) {
  g_autoptr(GError) error = NULL;
  LwContainerInfo *info = lw_container_info_parse(json, -1, &error);
  g_assert_no_error(error);
  return info;
}

static void test_podman(void) {
  g_autoptr(LwContainerInfo) info = parse(PODMAN("none", "{}"));
  g_assert_cmpstr(info->name, ==, "indexer");
  g_assert_true(info->running);
  g_assert_cmpint(info->pid, ==, 53);
  g_assert_null(info->resolv_path);
  g_autofree char *trouble = lw_container_trouble(info);
  g_assert_null(trouble);
  g_autoptr(LwContainerInfo) nothing = parse(PODMAN("none", "null"));
  g_autofree char *none = lw_container_trouble(nothing);
  g_assert_null(none);
}

static void test_docker(void) {
  g_autoptr(LwContainerInfo) info =
      parse("{\"Id\":\"ab\",\"Name\":\"/seed_box.1\",\"State\":{\"Running\":false,\"Pid\":0},"
            "\"ResolvConfPath\":\"/var/lib/docker/containers/ab/"
            "resolv.conf\",\"HostConfig\":{\"NetworkMode\":\"none\","
            "\"Privileged\":true},\"NetworkSettings\":{\"Networks\":{\"none\":{\"NetworkID\":\"1\"}}}}");
  g_assert_cmpstr(info->name, ==, "seed_box.1");
  g_assert_false(info->running);
  g_assert_cmpint(info->pid, ==, 0);
  g_assert_true(info->privileged);
  g_assert_cmpstr(info->resolv_path, ==, "/var/lib/docker/containers/ab/resolv.conf");
  g_autofree char *trouble = lw_container_trouble(info);
  g_assert_null(trouble);
}

static void test_trouble(void) {
  static const struct {
    const char *json, *says;
  } cases[] = {
      {PODMAN("host", "{}"), "host's own network"},
      {PODMAN("container:77", "{}"), "shares another's network"},
      {PODMAN("ns:/run/netns/x", "{}"), "shares another's network"},
      {PODMAN("bridge", "{\"podman\":{}}"), "network of its own (podman)"},
      {PODMAN("bridge", "{}"), "network of its own (bridge)"},
      {PODMAN("default", "null"), "network of its own (default)"},
      {PODMAN("", "null"), "its engine's default"},
      /* docker network connect, afterwards */
      {PODMAN("none", "{\"none\":{},\"web\":{}}"), "network of its own (web)"},
      {PODMAN("slirp4netns", "{}"), "network of its own"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(LwContainerInfo) info = parse(cases[i].json);
    g_autofree char *trouble = lw_container_trouble(info);
    g_assert_nonnull(trouble);
    if (!strstr(trouble, cases[i].says) || !strstr(trouble, "--network none"))
      g_error("%s", trouble);
  }
}

static void test_broken_answers(void) {
  static const char *const answers[] = {"",
                                        "{",
                                        "[]",
                                        "{}",
                                        "null",
                                        "7",
                                        "{\"Name\":\"/x\"}",
                                        "{\"Name\":7,\"State\":{},\"HostConfig\":{}}",
                                        "{\"Name\":\"/a b\",\"State\":{},\"HostConfig\":{}}",
                                        "{\"Name\":\"/../x\",\"State\":{},\"HostConfig\":{}}",
                                        "{\"Name\":\"/x\",\"State\":{\"Pid\":-1},\"HostConfig\":{}}",
                                        "{\"Name\":\"/x\",\"State\":{\"Pid\":99999999999},\"HostConfig\":{}}",
                                        "{\"Name\":\"/x\",\"State\":[],\"HostConfig\":{}}"};
  for (gsize i = 0; i < G_N_ELEMENTS(answers); i++) {
    g_autoptr(GError) error = NULL;
    LwContainerInfo *info = lw_container_info_parse(answers[i], -1, &error);
    if (info || !error)
      g_error("%s is no container", answers[i]);
    g_autoptr(GError) second = NULL;
    g_autoptr(GPtrArray) names = lw_container_names_parse(answers[i], -1, &second);
    g_assert_true((names != NULL) != (second != NULL));
  }
}

static void test_names(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) names = lw_container_names_parse(
      "[{\"Names\":[\"/a\",\"/web/a\"]},{\"Names\":[]},{\"Names\":null},7,{\"Names\":[\"/b c\"]},"
      "{\"Names\":[\"b\"]}]",
      -1, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(names->len, ==, 2);
  g_assert_cmpstr(names->pdata[0], ==, "a");
  g_assert_cmpstr(names->pdata[1], ==, "b");
}

#define EVENT(type, action)                                                                                  \
  "{\"status\":\"" action "\",\"Type\":\"" type "\",\"Action\":\"" action "\",\"Actor\":{\"ID\":\"6f\","     \
  "\"Attributes\":{\"image\":\"x\",\"name\":\"indexer\"}},\"time\":1}"

static void test_events(void) {
  static const struct {
    const char *line, *name;
  } cases[] = {{EVENT("container", "start"), "indexer"},
               {EVENT("container", "die"), "indexer"},
               {EVENT("container", "died"), "indexer"},
               {EVENT("container", "exec_start: sh"), NULL},
               {EVENT("container", "restart"), NULL},
               {EVENT("network", "start"), NULL},
               {"", NULL},
               {"{}", NULL},
               {"{\"Type\":\"container\",\"Action\":\"start\"}", NULL},
               {"not json", NULL}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *name = lw_container_event_name(cases[i].line);
    g_assert_cmpstr(name, ==, cases[i].name);
  }
}

static void test_resolvers(void) {
  static const char *const cases[][2] = {{"", ""},
                                         {"nameserver 10.0.0.1\n", "10.0.0.1"},
                                         {"# nameserver 1.1.1.1\nsearch x\n nameserver\t10.0.0.1 \n"
                                          "nameserver  8.8.8.8",
                                          "10.0.0.1 8.8.8.8"},
                                         {"nameserver\n", ""}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *servers = lw_resolv_servers(cases[i][0]);
    g_assert_cmpstr(servers, ==, cases[i][1]);
  }
}

/* Whoever does not answer may have it: that is no “there is none”. */
static void test_find(void) {
  g_autofree char *path = NULL;
  int fd = g_file_open_tmp("engine-XXXXXX", &path, NULL);
  g_assert_cmpint(fd, >=, 0);
  const char *const deaf[] = {path, NULL}, *const none[] = {NULL};
  g_autoptr(GError) failed = NULL, missing = NULL;
  g_assert_null(lw_container_find(deaf, "web", NULL, &failed));
  g_assert_error(failed, LW_ERROR, LW_ERROR_FAILED);
  g_assert_nonnull(strstr(failed->message, path));
  g_assert_null(lw_container_find(none, "web", NULL, &missing));
  g_assert_error(missing, LW_ERROR, LW_ERROR_NOT_FOUND);
  g_autoptr(LwContainerFact) fact = lw_container_look(deaf, "web");
  g_assert_nonnull(strstr(fact->note, path));
  g_assert_null(fact->trouble);
  g_assert_cmpint(unlink(path), ==, 0);
  close(fd);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/container/podman", test_podman);
  g_test_add_func("/container/docker", test_docker);
  g_test_add_func("/container/trouble", test_trouble);
  g_test_add_func("/container/broken-answers", test_broken_answers);
  g_test_add_func("/container/names", test_names);
  g_test_add_func("/container/find", test_find);
  g_test_add_func("/container/events", test_events);
  g_test_add_func("/container/resolvers", test_resolvers);
  return g_test_run();
}
