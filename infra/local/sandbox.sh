#!/bin/sh
# A function's file system as Lambda lays it out, in a mount namespace of its own: everything is
# read-only but /tmp, and whoever asked is nobody in it.
#
#   unshare --mount [--map-root-user] sh sandbox.sh LANG RUNTIME OPT TASK RIE USER COMMAND …
#
# LANG, the Python's prefix, is mounted on /var/lang, RUNTIME on /var/runtime, OPT on /opt, TASK on
# /var/task, and the emulator RIE on /var/rie; what else this machine has stays where it is. USER is
# UID:GID for the command, or - for who this is.
set -eu
lang=$1 runtime=$2 opt=$3 task=$4 rie=$5 user=$6
shift 6

# /mnt is on every Linux, so nothing is left behind when the namespace goes.
mount -t tmpfs -o mode=755 earshot /mnt
for found in /*; do
    case $found in
        /mnt | /opt | /tmp | /var) continue ;;
    esac
    if [ -L "$found" ]; then
        cp -P "$found" "/mnt$found"
    elif [ -d "$found" ]; then
        mkdir "/mnt$found"
        mount --rbind "$found" "/mnt$found"
        case $found in
            /dev | /proc | /sys) ;;
            *) mount -o remount,bind,ro "/mnt$found" ;;
        esac
    fi
done
show() {
    mount --bind "$1" "/mnt$2"
    mount -o remount,bind,ro "/mnt$2"
}
mkdir /mnt/opt /mnt/tmp /mnt/var /mnt/var/lang /mnt/var/runtime /mnt/var/task
touch /mnt/var/rie
show "$lang" /var/lang
show "$runtime" /var/runtime
show "$opt" /opt
show "$task" /var/task
show "$rie" /var/rie
mount -o remount,bind,ro /mnt
# What Lambda gives when EphemeralStorage says nothing.
mount -t tmpfs -o mode=1777,size=512m earshot /mnt/tmp

[ "$user" = - ] || set -- setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups "$@"
exec /usr/sbin/chroot /mnt sh -c 'cd /var/task && exec "$@"' sh "$@"
