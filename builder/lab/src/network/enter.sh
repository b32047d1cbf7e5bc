# Moves itself into the control group $1, then becomes the program that follows, so that a program
# is in its group before it starts anything.
echo 0 >"$1/cgroup.procs" || exit 125
shift
exec "$@"
