#!/usr/bin/perl
# A stand-in for Webmin's server: reads miniserv.conf, listens on its port, writes its process id
# and answers every request with one page. Speaks plain HTTP whatever `ssl` says.
use strict;
use warnings;
use IO::Socket::INET;
use POSIX qw(setsid);

my $file = shift or die "usage: miniserv.pl CONFIG\n";
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
die "cannot read the key $config{keyfile}\n" if $config{keyfile} && !-r $config{keyfile};

my $bind = $config{bind} // '';
my $server = IO::Socket::INET->new(
    LocalPort => $config{port},
    LocalAddr => $bind eq '' || $bind eq '*' ? '0.0.0.0' : $bind,
    Listen    => 16,
    ReuseAddr => 1,
) or die "cannot listen on port $config{port}: $!\n";

# The real one makes its session key when it first starts.
my $session = $config{session_keyfile} // '/var/webmin/session.key';
if (!-s $session) {
    my $before = umask 0077;
    open(my $random, '<', '/dev/urandom') or die "cannot read random bytes: $!\n";
    read($random, my $bytes, 32);
    open(my $key, '>', $session) or die "cannot write $session: $!\n";
    print $key unpack('H*', $bytes);
    close $key;
    umask $before;
}

my $child = fork() // die "cannot fork: $!\n";
if ($child) {
    open(my $pid, '>', $config{pidfile}) or die "cannot write $config{pidfile}: $!\n";
    print $pid "$child\n";
    close $pid;
    exit 0;
}
setsid();
$SIG{PIPE} = 'IGNORE';
$SIG{TERM} = sub { unlink $config{pidfile}; exit 0 };
my $page = "<html><head><title>Login to Webmin</title></head><body>vmimage stand-in for Webmin</body></html>\n";
while (1) {
    my $client = $server->accept() or next;
    $client->timeout(5);
    while (my $line = <$client>) { last if $line =~ /^\r?$/ }
    print $client "HTTP/1.0 200 Document follows\r\nServer: MiniServ\r\n",
        "X-Stand-In: vmimage\r\nContent-Type: text/html\r\nContent-Length: ", length($page),
        "\r\nConnection: close\r\n\r\n$page";
    close $client;
}
