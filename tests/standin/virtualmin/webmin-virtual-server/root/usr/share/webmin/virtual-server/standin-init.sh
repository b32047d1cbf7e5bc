# How Webmin's modules find out what starts servers (init/init-lib.pl of Webmin 2.660): what
# /etc/webmin/init/config says, else systemd where `systemctl list-units` works, else SysV scripts.
# Sourced by the stand-ins.
init_mode() {
    mode=$(sed -n 's/^init_mode=//p' /etc/webmin/init/config)
    if [ -n "$mode" ]; then
        echo "$mode"
    elif systemctl list-units > /dev/null 2>&1; then
        echo systemd
    else
        echo init
    fi
}

# Whether systemd knows a unit, as Webmin asks it: a unit that is not told of has a SysV script, or none.
is_systemd_service() {
    [ "$(init_mode)" = systemd ] && systemctl show "$1" 2>&1 | grep -q '^UnitFileState=.'
}

start_action() {
    if is_systemd_service "$1.service"; then
        systemctl start "$1.service"
    elif [ -x "/etc/init.d/$1" ]; then
        "/etc/init.d/$1" start
    else
        echo "/etc/init.d/$1 does not exist"
        return 1
    fi
}

enable_at_boot() {
    if is_systemd_service "$1.service"; then
        systemctl enable "$1.service"
    else
        update-rc.d "$1" defaults
    fi
}
