#!/usr/bin/perl
# A stand-in for Webmin's server: reads miniserv.conf, listens on its port, over TLS where `ssl` says
# so, writes its process id, and answers `/robots.txt` without a login and everything else with one
# page. Addresses that `allow` does not have are told so. What it leaves in /var/webmin when it starts
# was seen of Webmin 2.660.
use strict;
use warnings;
use IO::Socket::INET;
use Net::SSLeay;
use POSIX qw(setsid);

my $foreground = @ARGV && $ARGV[0] eq '--nofork' && shift;
my $file = shift or die "usage: miniserv.pl [--nofork] CONFIG\n";
my %config;
open(my $lines, '<', $file) or die "cannot read $file: $!\n";
while (<$lines>) {
    chomp;
    $config{$1} = $2 if /^([^=#]+)=(.*)$/;
}
close $lines;
for my $key (qw(port pidfile userfile)) {
    die "$file has no $key\n" unless length($config{$key} // '');
}
die "cannot read $config{userfile}\n" unless -r $config{userfile};

my $tls;
if ($config{ssl}) {
    Net::SSLeay::initialize();
    $tls = Net::SSLeay::CTX_new_with_method(Net::SSLeay::TLS_server_method()) or die "no TLS\n";
    Net::SSLeay::CTX_use_PrivateKey_file($tls, $config{keyfile}, 1)
        && Net::SSLeay::CTX_use_certificate_file($tls, $config{keyfile}, 1)
        or die "cannot read the key $config{keyfile}\n";
}
my $bind = $config{bind} // '';
my $server = IO::Socket::INET->new(
    LocalPort => $config{port},
    LocalAddr => $bind eq '' || $bind eq '*' ? '0.0.0.0' : $bind,
    Listen    => 16,
    ReuseAddr => 1,
) or die "cannot listen on port $config{port}: $!\n";

leave("$config{env_WEBMIN_VAR}/session.key", random()) unless -s "$config{env_WEBMIN_VAR}/session.key";
leave("$config{env_WEBMIN_VAR}/$_", '') for qw(blocked sessiondb.dir sessiondb.pag);
leave("$config{env_WEBMIN_VAR}/$_", time() . "\n") for qw(miniserv.log.time webmin.log.time miniserv.lastcrons);
leave($config{errorlog}, '[' . localtime() . "] miniserv.pl started\n") if $config{errorlog};

if (!$foreground) {
    my $child = fork() // die "cannot fork: $!\n";
    if ($child) {
        leave($config{pidfile}, "$child\n");
        exit 0;
    }
    setsid();
} else {
    leave($config{pidfile}, "$$\n");
}
$SIG{PIPE} = 'IGNORE';
$SIG{TERM} = sub { unlink $config{pidfile}; exit 0 };
while (1) {
    my $client = $server->accept() or next;
    # A slow client holds nobody up.
    local $SIG{CHLD} = 'IGNORE';
    next if fork();
    alarm 10;
    serve($client);
    exit 0;
}

sub serve {
    my ($client) = @_;
    my ($read, $write) = (sub { scalar <$client> }, sub { print $client $_[0] });
    my $ssl;
    if ($tls) {
        $ssl = Net::SSLeay::new($tls);
        Net::SSLeay::set_fd($ssl, fileno($client));
        return if Net::SSLeay::accept($ssl) <= 0;
        $read = sub { Net::SSLeay::ssl_read_until($ssl) };
        $write = sub { Net::SSLeay::ssl_write_all($ssl, $_[0]) };
    }
    my $request = $read->() // '';
    while (defined(my $line = $read->())) { last if $line =~ /^\r?$/ }
    my ($status, $type, $page) = ('200 Document follows', 'text/html',
        "<html><head><title>Login to Webmin</title></head><body>vmimage stand-in for Webmin</body></html>\n");
    if (!allowed($client->peerhost)) {
        ($status, $page) = ('403 Access Denied', 'Access denied for ' . $client->peerhost . "\n");
    } elsif ($request =~ m{^(?:GET|HEAD) /robots\.txt }) {
        open(my $robots, '<', "$config{root}/robots.txt") or return;
        ($type, $page) = ('text/plain', join('', <$robots>));
    }
    $write->("HTTP/1.0 $status\r\nServer: MiniServ\r\nX-Stand-In: vmimage\r\nContent-Type: $type\r\n"
        . 'Content-Length: ' . length($page) . "\r\nConnection: close\r\n\r\n$page");
    Net::SSLeay::shutdown($ssl) if $ssl;
    close $client;
}

# As miniserv: an address, or a network in CIDR notation.
sub allowed {
    my ($address) = @_;
    return 1 unless length($config{allow} // '');
    my $number = unpack('N', pack('C4', split(/\./, $address)));
    for my $entry (split(/\s+/, $config{allow})) {
        my ($network, $bits) = $entry =~ m{^(\d+\.\d+\.\d+\.\d+)(?:/(\d+))?$} or next;
        my $mask = $bits // 32;
        $mask = $mask == 0 ? 0 : (0xffffffff << (32 - $mask)) & 0xffffffff;
        return 1 if ($number & $mask) == (unpack('N', pack('C4', split(/\./, $network))) & $mask);
    }
    return 0;
}

sub random {
    open(my $source, '<', '/dev/urandom') or die "cannot read random bytes: $!\n";
    read($source, my $bytes, 16);
    return unpack('H*', $bytes);
}

sub leave {
    my ($path, $text) = @_;
    my $before = umask 0077;
    open(my $out, '>', $path) or die "cannot write $path: $!\n";
    print $out $text;
    close $out;
    umask $before;
}
