# Starts the Perl that runs what stands in for programs written in it (stand_ins/perl-client.sh).
perl=/run/vmimage/perl
rm -f "$perl/queue"
if perl -e 1 2>/dev/null && mkfifo -m 600 "$perl/queue"; then
    perl "$perl/server.pl" </dev/null >/dev/null 2>&1 &
fi
