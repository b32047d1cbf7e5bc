#!/bin/sh
### BEGIN INIT INFO
# Provides: webmin
# Required-Start: $network $syslog
# Required-Stop: $network
# Default-Start: 2 3 5
# Default-Stop:
# Description: Start/stop Webmin
### END INIT INFO
case "$1" in
start) /etc/webmin/.start-init > /dev/null 2>&1 < /dev/null ;;
stop) /etc/webmin/.stop-init ;;
restart) /etc/webmin/.stop-init ; /etc/webmin/.start-init ;;
*) echo "Usage: $0 { start | stop }" ; exit 1 ;;
esac
