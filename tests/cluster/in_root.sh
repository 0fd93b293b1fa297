#!/bin/sh
# in_root.sh ROOT DIR USER COMMAND...: run a command as USER in the Debian that lies in ROOT. As root.
#
# There, it has this machine's processes, devices, accounts, /home and /tmp, and DIR at its own path. The mounts are the command's
# own and end with it: nothing is left behind to unmount, and removing ROOT can't reach through them. It keeps its pid.
set -eu
if [ "$1" != mounting ]; then
  exec /usr/bin/unshare --mount --propagation private /bin/sh "$0" mounting "$@"
fi
root=$2 dir=$3 user=$4
shift 4
# Whoever calls may have commands in PATH that lead here.
theirs=$PATH
PATH=/usr/sbin:/usr/bin:/sbin:/bin
for shared in /proc /dev /sys /tmp /home; do mount --rbind "$shared" "$root$shared"; done
for file in passwd group hosts; do mount --bind "/etc/$file" "$root/etc/$file"; done
mkdir -p "$root$dir"
mount --bind "$dir" "$root$dir"
[ "$1" != slurmdbd ] || [ ! -d "$root/opt/mariadb" ] || export LD_LIBRARY_PATH=/opt/mariadb
here=$PWD
[ -d "$root$here" ] || here=/
exec chroot "$root" setpriv --reuid="$user" --regid="$user" --init-groups env -C "$here" PATH="$theirs" "$@"
