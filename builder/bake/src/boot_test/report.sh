#!/bin/sh
# Owns what a booted image tells the boot test: facts about itself, as lines on the serial console.
# It reads and never repairs; afterwards it powers the machine off. It arrives as user data, so the
# image is the very one that is published.
set -u
export LC_ALL=C

# The launcher is part of the boot that this waits for, so the rest runs beside it.
if [ "${1:-}" != report ]; then
    exec systemd-run --quiet --no-block --unit=vmimage-boot-report /bin/sh "$0" report
fi

lines=/run/vmimage-boot-report
: >"$lines"
count=0

# put KEY VALUE: a line with a check sum, because the kernel may write into the middle of it.
put() {
    sum=$(printf '%s=%s' "$1" "$2" | sha256sum | cut -c 1-8)
    printf 'VMIMAGE-REPORT %s %s=%s\n' "$sum" "$1" "$2" >>"$lines"
    count=$((count + 1))
}

since_boot() {
    if [ "$(stat -c %Y "$1")" -ge $((booted - 5)) ]; then
        printf yes
    else
        printf no
    fi
}

put system-state "$(timeout 240 systemctl is-system-running --wait)"
put multi-user "$(systemctl is-active multi-user.target)"
failed=$(systemctl list-units --state=failed --plain --no-legend --full | cut -d ' ' -f 1)
for unit in $failed; do
    put failed-unit "$unit"
done
put launch "$(systemctl show --property=Result --value vmimage-launch.service)"
put finish-micros "$(systemctl show --property=FinishTimestampMonotonic --value)"
put kernel "$(uname -r)"
put system "$(. /etc/os-release && printf '%s' "$PRETTY_NAME")"
put virtualization "$(systemd-detect-virt)"

booted=$(sed -n 's/^btime //p' /proc/stat)
put machine-id "$(cat /etc/machine-id)"
put machine-id-new "$(since_boot /etc/machine-id)"
for key in /etc/ssh/ssh_host_*_key.pub; do
    [ -e "$key" ] || continue
    put host-key "$(ssh-keygen -l -f "$key" | cut -d ' ' -f 2) $(since_boot "$key")"
done

root=$(findmnt --noheadings --output SOURCE /)
part=/sys/class/block/${root##*/}
whole=$(dirname "$(readlink -f "$part")")
put root-device "$root"
put disk-bytes $(($(cat "$whole/size") * 512))
put partition-end-bytes $((($(cat "$part/start") + $(cat "$part/size")) * 512))
put partition-bytes $(($(cat "$part/size") * 512))
put filesystem-bytes $(($(stat --file-system --format='%b * %S' /)))
put dpkg-audit-lines "$(dpkg --audit | wc -l)"
# Packages stand on lines of their own, after a space.
for package in $(dpkg --audit | sed -n 's/^ \([^ ]*\).*/\1/p'); do
    put dpkg-audit "$package"
done
put end "$count"

port=/dev/ttyS0
[ -c "$port" ] || port=/dev/console
dmesg --console-level emerg
# Three times, in case another program writes to the console meanwhile.
for _ in 1 2 3; do
    printf '\n' >"$port"
    cat "$lines" >"$port"
    sleep 0.2
done
systemctl --no-block poweroff
