# Runs the preinst script of each package named on the command line as NAME:ARCHITECTURE, in the
# way dpkg does: from /var/lib/dpkg/tmp.ci, with the control files beside it.
set -u
export DPKG_ADMINDIR=/var/lib/dpkg DPKG_ROOT= DPKG_MAINTSCRIPT_NAME=preinst \
    DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1
cd /
for package; do
    rm -rf /var/lib/dpkg/tmp.ci
    mv "/var/lib/dpkg/tmp.preinst/$package" /var/lib/dpkg/tmp.ci || exit
    DPKG_MAINTSCRIPT_PACKAGE=${package%%:*}
    DPKG_MAINTSCRIPT_ARCH=${package##*:}
    export DPKG_MAINTSCRIPT_PACKAGE DPKG_MAINTSCRIPT_ARCH
    echo "processing: install: $package"
    if ! /var/lib/dpkg/tmp.ci/preinst install; then
        echo "status: $DPKG_MAINTSCRIPT_PACKAGE : error : pre-installation script failed"
        exit 1
    fi
done
rm -rf /var/lib/dpkg/tmp.ci /var/lib/dpkg/tmp.preinst
