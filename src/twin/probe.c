/* What this machine can do for a twin, found by trying it in namespaces that are gone afterwards. */
#include "base/error.h"
#include "base/process.h"
#include "twin/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* errno of each try; 0: it works */
typedef struct {
  int namespaces, proc, bridge, veth, wireguard, tun, overlay, nft;
} Found;

typedef struct {
  struct nlmsghdr head;
  struct ifinfomsg info;
  char attributes[128];
} LinkRequest;

static struct rtattr *put_attribute(LinkRequest *request, unsigned short type, const char *data) {
  struct rtattr *attribute =
      (struct rtattr *)(void *)((char *)request + NLMSG_ALIGN(request->head.nlmsg_len));
  gsize length = data ? strlen(data) + 1 : 0;
  attribute->rta_type = type;
  attribute->rta_len = (unsigned short)RTA_LENGTH(length);
  if (data)
    memcpy(RTA_DATA(attribute), data, length);
  request->head.nlmsg_len = NLMSG_ALIGN(request->head.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
  return attribute;
}

static int try_link(const char *kind) {
  LinkRequest request = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
                                  .nlmsg_type = RTM_NEWLINK,
                                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL}};
  struct rtattr *nest = put_attribute(&request, IFLA_LINKINFO, NULL);
  put_attribute(&request, IFLA_INFO_KIND, kind);
  nest->rta_len = (unsigned short)((char *)&request + request.head.nlmsg_len - (char *)nest);
  char reply[8192];
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0)
    return errno;
  int result = EIO;
  if (send(fd, &request, request.head.nlmsg_len, 0) < 0) {
    result = errno;
  } else {
    ssize_t n = recv(fd, reply, sizeof reply, 0);
    const struct nlmsghdr *head = (const struct nlmsghdr *)(const void *)reply;
    if (n >= (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) && head->nlmsg_type == NLMSG_ERROR)
      result = -((const struct nlmsgerr *)NLMSG_DATA(head))->error;
  }
  close(fd);
  return result;
}

static int try_tun(void) {
  int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (fd < 0)
    return errno;
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  int result = ioctl(fd, TUNSETIFF, &request) == 0 ? 0 : errno;
  close(fd);
  return result;
}

static int try_overlay(void) {
  if (mount("tmpfs", "/run", "tmpfs", 0, NULL) != 0 || mkdir("/run/upper", 0700) != 0 ||
      mkdir("/run/work", 0700) != 0 || mkdir("/run/view", 0700) != 0)
    return errno;
  return mount("overlay", "/run/view", "overlay", 0,
               "lowerdir=/usr,upperdir=/run/upper,workdir=/run/work,userxattr") == 0
             ? 0
             : errno;
}

static int try_nft(void) {
  const char *const argv[] = {"nft", "add", "table", "inet", "lanward_probe", NULL};
  g_autoptr(GError) error = NULL;
  g_autofree char *output = lw_command_run(&(LwCommand){.argv = argv}, &error);
  if (output)
    return 0;
  return g_error_matches(error, LW_ERROR, LW_ERROR_NOT_FOUND) ? ENOENT : EPERM;
}

/* Pid 1 of the namespaces. */
static void try_inside(Found *found) {
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
    found->namespaces = errno;
    return;
  }
  found->proc = mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0 ? 0 : errno;
  found->bridge = try_link("bridge");
  found->veth = try_link("veth");
  found->wireguard = try_link("wireguard");
  found->tun = try_tun();
  found->nft = try_nft();
  found->overlay = try_overlay();
}

static void probe_child(int out) G_GNUC_NORETURN;
static void probe_child(int out) {
  Found found = {0};
  errno = 0;
  if (!lw_twin_unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET, NULL)) {
    found.namespaces = errno ? errno : EPERM;
  } else {
    pid_t pid = fork();
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      try_inside(&found);
      (void)!write(out, &found, sizeof found);
      _exit(0);
    }
    if (pid > 0) {
      waitpid(pid, NULL, 0);
      _exit(0);
    }
    found.namespaces = errno;
  }
  (void)!write(out, &found, sizeof found);
  _exit(0);
}

static Found try_all(void) {
  Found found = {.namespaces = EIO};
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    found.namespaces = errno;
    return found;
  }
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    close(ends[0]);
    probe_child(ends[1]);
  }
  close(ends[1]);
  if (pid < 0 || read(ends[0], &found, sizeof found) != (ssize_t)sizeof found)
    found = (Found){.namespaces = EIO};
  close(ends[0]);
  while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
    ;
  return found;
}

void lw_capability_free(LwCapability *capability) {
  g_free(capability->what);
  g_free(capability->detail);
  g_free(capability->remedy);
  g_free(capability);
}

static void add(GPtrArray *list, const char *what, gboolean ok, gboolean needed, const char *detail,
                const char *remedy /* nullable; only given when not ok */) {
  LwCapability *capability = g_new0(LwCapability, 1);
  capability->what = g_strdup(what);
  capability->ok = ok;
  capability->needed = needed;
  capability->detail = g_strdup(detail);
  capability->remedy = ok ? NULL : g_strdup(remedy);
  g_ptr_array_add(list, capability);
}

static void add_tried(GPtrArray *list, const char *what, int result, gboolean needed, const char *remedy) {
  add(list, what, result == 0, needed, result == 0 ? "works in a namespace" : g_strerror(result), remedy);
}

static char *find_program(const char *name) {
  static const char *const folders[] = {"/usr/sbin", "/sbin", "/usr/local/sbin"};
  char *path = g_find_program_in_path(name);
  for (gsize i = 0; !path && i < G_N_ELEMENTS(folders); i++) {
    g_autofree char *candidate = g_build_filename(folders[i], name, NULL);
    if (g_file_test(candidate, G_FILE_TEST_IS_EXECUTABLE))
      path = g_steal_pointer(&candidate);
  }
  return path;
}

static void add_program(GPtrArray *list, const char *name, const char *package) {
  g_autofree char *path = find_program(name);
  g_autofree char *remedy = g_strdup_printf("apt install %s", package);
  add(list, name, path != NULL, TRUE, path ? path : "not installed", remedy);
}

static void add_wireguard(GPtrArray *list, const Found *found) {
  if (found->wireguard == 0) {
    add(list, "WireGuard", TRUE, TRUE, "in the kernel", NULL);
    return;
  }
  g_autofree char *path = find_program("wireguard-go");
  const char *const argv[] = {"wireguard-go", "--version", NULL};
  g_autofree char *version = path ? lw_command_run(&(LwCommand){.argv = argv}, NULL) : NULL;
  if (version)
    version[strcspn(version, "\n")] = '\0';
  g_autofree char *detail = path ? g_strdup_printf("kernel has no WireGuard: %s", version ? version : path)
                                 : g_strdup("neither in the kernel nor as wireguard-go");
  add(list, "WireGuard", path != NULL, TRUE, detail,
      "run as root: modprobe wireguard, or: apt install wireguard-go (only labs with tunnels need it)");
}

static void add_tun(GPtrArray *list, const Found *found) {
  const char *remedy = "run as root: modprobe tun";
  if (found->tun == EACCES || found->tun == EPERM)
    remedy = "run as root: chmod 0666 /dev/net/tun (as Debian's udev rules make it)";
  add_tried(list, "TUN devices", found->tun, found->wireguard != 0, remedy);
}

static void add_namespace_tries(GPtrArray *list, const Found *found) {
  add_tried(list, "own /proc", found->proc, TRUE,
            "parts of /proc are hidden, as a container does; in Docker start it with --security-opt "
            "systempaths=unconfined");
  int links = found->bridge ? found->bridge : found->veth;
  add_tried(list, "bridges and veth cables", links, TRUE, "run as root: modprobe -a bridge veth");
  if (found->nft != ENOENT) /* else nft is named among the missing programs */
    add_tried(list, "nftables", found->nft, TRUE,
              "run as root: modprobe -a nf_tables nft_chain_nat nf_conntrack");
  add_tun(list, found);
  add_tried(list, "overlay file systems", found->overlay, FALSE,
            "without them cells see the host's folders read-only; kernel 5.11 or later, run as root: "
            "modprobe overlay");
}

GPtrArray *lw_twin_probe(void) {
  GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)lw_capability_free);
  Found found = try_all();
  add_tried(list, "user namespaces", found.namespaces, TRUE, lw_twin_userns_remedy(found.namespaces));
  if (found.namespaces == 0)
    add_namespace_tries(list, &found);
  else
    found.wireguard = found.namespaces;
  add_wireguard(list, &found);
  add_program(list, "nft", "nftables");
  add_program(list, "dnsmasq", "dnsmasq-base");
  add_program(list, "dhcpcd", "dhcpcd-base");
  add_program(list, "wg", "wireguard-tools");
  return list;
}
