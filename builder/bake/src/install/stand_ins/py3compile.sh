#!/bin/sh
# Stands in for py3compile while packages are configured, and notes what it is asked to do. Nothing
# needs the bytecode before all packages are configured.
printf '%s\n' "$*" >>/run/vmimage/requests/py3compile
