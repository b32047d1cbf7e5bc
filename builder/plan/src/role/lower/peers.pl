# Prints a line for each instance of what DescribeInstances says: number, instance, address, slot,
# zone, region, host name. Sorted by slot, then instance; who has no address yet is not there yet.
# Argument: an instance to leave out.
undef $/;
for (split /<instanceId>/, <STDIN>) {
    ($i) = /^(i-\w+)/ or next;
    ($p) = /<privateIpAddress>([\d.]+)/ or next;
    ($z) = /<availabilityZone>([\w-]+)/ or next;
    ($r) = $z =~ /^([a-z]+(?:-[a-z]+)+-\d+)/ or next;
    ($h) = /<privateDnsName>([\w-]+)/ or next;
    $s = m:<key>vmimage.slot</key>\s*<value>(\d+): ? $1 : "-";
    push @l, sprintf "%09s %s", $s, "$i $p $s $z $r $h" if $i ne $ARGV[0];
}
print map { ++$n . substr($_, 9) . "\n" } sort @l
