# Mounts the volume $0 at $1; makes a file system $2 on it where there is certainly nothing.
c=/run/vmimage-volumes/$0
d=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol${0#vol-}
h=/var/lib/vmimage/$0.half-made
o=-qF
[ $2 != xfs ] || o=-qf
mountpoint -q "$1" && exit
mkdir -p "$1" || exit
echo waiting for $d >&2
until [ -e $d ] || { [ -e $c/device ] && d=$c/device; }; do sleep 1; done
# A container cannot mount a file system of its own: the lab has a folder that stands for what is on it.
m="-o noatime -t $2 $d"
[ ! -f $d ] || m="--bind $c/data"
if [ ! -e $h ]; then
    t=$(blkid -p -s TYPE -o value $d) || cmp -sn1048576 $d /dev/zero || t=data
    case $t in
    $2) exec mount $m "$1" ;;
    ?*) echo "$0 has $t on it, not $2" >&2; exit 1 ;;
    esac
fi
# One whose making is interrupted on this instance is no data.
touch $h && sync $h && mkfs.$2 $o $d && rm $h && exec mount $m "$1"
