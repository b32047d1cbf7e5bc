#!/bin/sh
# Stands in for a program written in Perl while packages are configured: has it run by a Perl that
# has its modules loaded already. Where there is none, or it cannot, the program runs as ever.
program=@PROGRAM@
queue=/run/vmimage/perl/queue
answer=/run/vmimage/perl/$$
if [ -p "$queue" ] && mkfifo -m 600 "$answer" 2>/dev/null; then
    echo "$$ $program" >"$queue"
    read -r code <"$answer"
    [ "$code" = refused ] || exit "$code"
fi
# Some programs do what the name says that they are called by.
name=${0##*/}
[ "$name" != "$program" ] || exec "/run/vmimage/real/$program" "$@"
mkdir -p /run/vmimage/names
ln -sf "../real/$program" "/run/vmimage/names/$name"
exec "/run/vmimage/names/$name" "$@"
