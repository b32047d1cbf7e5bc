# Succeeds when all units are active; says `failed` and what the journal says when one has failed.
s=$(systemctl is-active "$@")
echo "$s"
case $s in *failed*) systemctl --no-pager -n1 status "$@" | tail -n1 >&2 ;; esac
! echo "$s" | grep -qvx active
