#!/bin/sh
# Stands in for postconf while packages are configured. Postfix's programs wait for seconds when
# main.cf was written just before, in case somebody is still writing it. Nobody is: its time is set
# back a little.
if [ -f /etc/postfix/main.cf ]; then
    touch --date=-1minute /etc/postfix/main.cf
fi
exec /run/vmimage/real/postconf "$@"
