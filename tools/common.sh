# What ./demo and ./test share: finding and installing Debian packages, and the one device that the twin
# needs. Sourced by bash; expects `root`, the top folder of the checkout.
# shellcheck shell=bash
# shellcheck disable=SC2154 # root is set by whoever sources this

say() { printf '%s\n' "$*"; }

die() {
  printf '%s\n' "$*" >&2
  exit 1
}

# Runs a command as root: directly, by sudo, or by su with root's password when there is somebody to type it.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo -- "$@"
  elif [ -t 0 ] && command -v su >/dev/null; then
    local line
    printf -v line '%q ' "$@"
    su root -c "$line"
  else
    die "This needs root and there is no sudo. As root, run:
  $*
then start $0 again."
  fi
}

# The packages of the given lists in data/packages, one a line.
packages() {
  local list
  for list in "$@"; do
    sed -n "s/^$list: *//p" "$root/data/packages" | tr -s ' ' '\n'
  done
}

# Those of them that are not installed, alternatives as they stand in the list.
missing_packages() {
  local installed entry name found
  installed=" $(dpkg-query -W -f='${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | tr '\n' ' ') "
  while read -r entry; do
    found=
    for name in ${entry//|/ }; do
      case "$installed" in *" $name "*) found=yes ;; esac
    done
    [ -n "$found" ] || printf '%s\n' "$entry"
  done < <(packages "$@")
}

# Of "a|b" the first that the archive has.
choose_package() {
  local name
  for name in ${1//|/ }; do
    if apt-cache policy "$name" 2>/dev/null | grep -q 'Candidate: [^(]'; then
      printf '%s\n' "$name"
      return
    fi
  done
  printf '%s\n' "${1%%|*}"
}

install_packages() {
  local missing entry chosen=()
  mapfile -t missing < <(missing_packages "$@")
  [ "${#missing[@]}" -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "Missing: ${missing[*]}. Only Debian's apt can be asked for them here."
  say "Installing what is missing: ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 update
  for entry in "${missing[@]}"; do
    chosen+=("$(choose_package "$entry")")
  done
  as_root "$root/tools/install-packages" "${chosen[@]}" ||
    die "apt-get could not install: ${chosen[*]}"
}

# Debian's udev makes /dev/net/tun usable by everybody; a machine without udev (a container, mostly) may not have
# that, or not have the device at all.
ensure_tun() {
  if [ ! -c /dev/net/tun ]; then
    say "/dev/net/tun is missing: making it (mode 0666, as Debian's udev does)."
    as_root mkdir -p /dev/net
    as_root mknod -m 0666 /dev/net/tun c 10 200 || say "That failed: no tunnels in the twin."
  elif [ "$(stat -c %a /dev/net/tun)" != 666 ]; then
    say "/dev/net/tun is not open to everybody: making it mode 0666, as Debian's udev does."
    as_root chmod 0666 /dev/net/tun || say "That failed: no tunnels in the twin."
  fi
}

# Configures a build folder once. ccache is used where it is installed.
configure() {
  local folder=$1 compiler=$2
  shift 2
  if command -v ccache >/dev/null; then
    compiler="ccache $compiler"
  fi
  [ -f "$folder/build.ninja" ] || CC=$compiler meson setup "$folder" "$root" "$@"
}

# Runs a command with its output in a file; shows the end of it only when the command fails.
quietly() {
  local log=$1
  shift
  if ! "$@" >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    return 1
  fi
}
