# Runs dpkg with its status lines between what the maintainer scripts say. They need a descriptor of
# their own, because dpkg closes it for the scripts.
exec dpkg --status-fd=3 "$@" 3>&1 </dev/null
