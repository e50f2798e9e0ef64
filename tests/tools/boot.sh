#!/bin/bash
# Boots a real systemd as process 1 of its own pid, mount and cgroup namespaces, with units of data/ enabled, for root:
#   boot.sh LANWARD RESULT COMMAND UNIT…
# until the units are done; RESULT gets what systemd says of them, and what COMMAND does then. /etc and /usr/bin are its
# own; the network, /run and /var/lib are those of the host that it is started in. All that was started ends with it.
set -eu
if [ "$1" != inside ]; then
  rm -f "$2"
  setsid unshare --mount --pid --cgroup --fork --kill-child "$0" inside "$@" </dev/null >"$2.log" 2>&1 &
  for ((i = 0; i < 900; i++)); do
    [ ! -s "$2" ] || break
    sleep 0.1
  done
  pkill -9 -P $! || true # systemd itself takes no TERM; its namespace ends with it
  test -s "$2"
  exit
fi
lanward=$2 result=$3 command=$4
shift 4
mount --make-rprivate /
mount -t proc proc /proc
mount -t cgroup2 cgroup2 /sys/fs/cgroup
work=$(mktemp -d -p /run)
for folder in /usr/bin /etc; do
  mkdir -p "$work$folder/up" "$work$folder/work"
  mount -t overlay overlay -o "lowerdir=$folder,upperdir=$work$folder/up,workdir=$work$folder/work" $folder
done
cp "$lanward" /usr/bin/lanward
rm -rf /etc/systemd/system
mkdir -p /etc/systemd/system
units=()
for unit in "$@"; do
  cp "$unit" /etc/systemd/system/
  units+=("$(basename "$unit")")
done
systemctl enable "${units[@]}"
cat >/etc/systemd/system/boot-test.service <<END
[Unit]
DefaultDependencies=no
Wants=network-pre.target network.target ${units[*]}
After=network-pre.target network.target ${units[*]}
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'systemctl show -p Id -p Result -p ExecMainStatus -p ActiveState -p ConditionResult -p ExecMainExitTimestampMonotonic -p ActiveEnterTimestampMonotonic ${units[*]} network-pre.target >$result.new; $command >>$result.new 2>&1; mv $result.new $result'
END
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=boot-test.service
