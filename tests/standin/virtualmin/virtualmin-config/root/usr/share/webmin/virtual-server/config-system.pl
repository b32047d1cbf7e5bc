#!/bin/sh
# The real package has a link here, in the folder of another package, which its own preinst takes for a
# sign that the module is installed.
exec /usr/bin/virtualmin-config-system "$@"
