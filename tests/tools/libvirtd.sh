#!/bin/bash
# A real libvirtd in the network namespace that this is started in, for root: its own pid and mount namespaces, its own
# /etc/libvirt, /run/libvirt and so on, gone with it. Its socket: libvirtd.sh socket. Runs until it is killed.
set -eu
state=/run/test-libvirt
case "${1:-}" in
inside)
  for folder in /run/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt /etc/libvirt; do
    mkdir -p "$folder"
    mount -t tmpfs tmpfs "$folder"
  done
  printf 'auth_unix_rw = "none"\nunix_sock_group = "root"\n' >/etc/libvirt/libvirtd.conf
  printf '%s\n' 'user = "root"' 'group = "root"' 'security_driver = "none"' 'namespaces = []' 'cgroup_controllers = []' \
    'dynamic_ownership = 0' 'remember_owner = 0' 'stdio_handler = "file"' >/etc/libvirt/qemu.conf
  # what Debian's package of the daemon's configuration would have made
  for list in passwd group; do
    cp /etc/$list $state/$list
    mount --bind $state/$list /etc/$list
  done
  grep -q '^libvirt-qemu:' /etc/passwd || echo 'libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin' >>/etc/passwd
  grep -q '^libvirt-qemu:' /etc/group || echo 'libvirt-qemu:x:64055:' >>/etc/group
  grep -q '^kvm:' /etc/group || echo 'kvm:x:64056:' >>/etc/group
  exec libvirtd -p /run/libvirt/libvirtd.pid
  ;;
socket)
  printf '/proc/%s/root/run/libvirt/libvirt-sock\n' "$(pgrep -P "$(cat $state/pid)" | head -n 1)"
  ;;
*)
  mkdir -p $state
  echo $$ >$state/pid
  exec unshare --mount --pid --fork --mount-proc --kill-child "$0" inside
  ;;
esac
