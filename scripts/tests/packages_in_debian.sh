#!/usr/bin/env bash
# In a Debian 12 that is to be thrown away (a container, a folder that debootstrap made), as root: installs the packages of
# scripts/release, builds and runs consumers with them, reads a manual page, removes the packages, and looks for what
# they left. usage: packages_in_debian.sh PACKAGES, a folder. Exit status: 0 all as it should be, 1 something is not.
set -euo pipefail
packages=$(cd "$1" && pwd)
project=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
# All that a consumer has.
consumer=$work/consumer
mkdir "$consumer"
cp "$project"/{core/installed_test/CMakeLists.txt,core/consumer_test/main.cc,docs/examples/commit.c} "$consumer"
trap 'rm -rf "$work"' EXIT
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

fail() {
  echo "packages: $*" >&2
  exit 1
}

# All files but what package managers and programs keep for themselves.
files() {
  find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /run -o -path /var/cache -o -path /var/log \
    -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path "$packages" -o -path "$project" \) -prune -o -print | sort
}

apt-get update -q >"$work/log"
apt-get install -y -q --no-install-recommends cmake g++ make man-db pkgconf >>"$work/log"
files >"$work/before"
apt-get install -y -q --no-install-recommends "$packages"/*.deb >>"$work/log"
dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\n' 'libfsqlshm*' | grep 'ii $'

# By CMake, and by pkg-config.
version=$(pkg-config --modversion fsqlshm)
cmake -S "$consumer" -B "$work/build" -DFSQLSHM_VERSION="$version" >"$work/log"
cmake --build "$work/build" >>"$work/log"
# Each word is an argument.
# shellcheck disable=SC2046
g++ -std=c++23 "$consumer/main.cc" $(pkg-config --cflags --libs fsqlshm-cxx) -o "$work/in_cxx"
# shellcheck disable=SC2046  # as above
gcc -std=c11 "$consumer/commit.c" $(pkg-config --cflags --libs fsqlshm) -o "$work/in_c"
for folder in "$work/build" "$work"; do
  [[ $("$folder/in_cxx") == "commit_seq 7" ]] || fail "$folder/in_cxx does not do what it should"
  "$folder/in_c" "$folder/foo.db" 3
  fsqlshm-inspect "$folder/foo.db.fsqlite-shm"
done
fsqlshm-golden /usr/share/fsqlshm/golden
man fsqlshm-inspect | head -n 6
for program in /usr/bin/fsqlshm-*; do
  man -w "$(basename "$program")" >/dev/null || fail "$program has no manual page"
done

apt-get purge -y -q --auto-remove 'libfsqlshm*' >>"$work/log"
files >"$work/after"
diff "$work/before" "$work/after" || fail "removing the packages left the files above, or took them away"
! ldconfig -p | grep fsqlshm || fail "the linker still knows the library"
echo "packages: installed, used and removed; nothing is left"
