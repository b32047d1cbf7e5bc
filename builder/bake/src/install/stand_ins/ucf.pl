# What ucf and ucfr do with a file that they never heard of, without the hundred processes that the
# two start for it. Each function returns the exit code, or nothing, having done nothing, where that
# is not all: then the program itself runs.
package Vmimage::Ucf;
use strict;
use Cwd ();
use Digest::MD5;
use File::Copy ();
use File::Path ();

my $state = '/var/lib/ucf';

# The plain case: nobody configured ucf, and paths have no character that a pattern knows.
sub plain {
    my ($environment, $umask, @paths) = @_;
    return if $umask != 022 || grep { /^UCF_/ } keys %$environment;
    return if grep { !m{^/[\w./+\@:~-]+$} || m{//|/\.{1,2}(?:/|$)} } @paths;
    return if grep { /^\s*[^#\s]/ } lines('/etc/ucf.conf');
    return 1;
}

sub lines {
    my ($path) = @_;
    open(my $file, '<', $path) or return;
    return readline($file);
}

# Keeps the eight versions before this one, as .0 to .7.
sub rotate {
    my ($path) = @_;
    for my $number (reverse(0 .. 6)) {
        my $next = $number + 1;
        rename("$path.$number", "$path.$next") if -e "$path.$number";
    }
}

sub copy {
    my ($from, $to) = @_;
    my @status = stat($from) or die "cannot look at $from: $!\n";
    File::Copy::copy($from, $to) or die "cannot copy $from to $to: $!\n";
    chown($status[4], $status[5], $to);
    chmod($status[2] & 07777, $to);
    utime($status[8], $status[9], $to);
}

sub replace {
    my ($path, @lines) = @_;
    open(my $file, '>', "$path.tmp") or die "cannot write $path.tmp: $!\n";
    print $file @lines;
    close($file) or die "cannot write $path.tmp: $!\n";
    rename("$path.tmp", $path) or die "cannot replace $path: $!\n";
}

# ucf [--three-way] [--debconf-ok] NEW DESTINATION
sub ucf {
    my ($environment, $umask, $say, @arguments) = @_;
    my ($three_way, @paths);
    for my $argument (@arguments) {
        if ($argument eq '--three-way') { $three_way = 1 }
        elsif ($argument ne '--debconf-ok') { push(@paths, $argument) }
    }
    return if @paths != 2 || $environment->{DEBIAN_HAS_FRONTEND};
    plain($environment, $umask, @paths) or return;
    my ($new, $destination) = @paths;
    my ($directory) = $destination =~ m{^(.*)/};
    return if -e $destination || -l $destination || !-d $directory || !-f $new || -l $new;
    # The first run makes ucf's questions known to debconf.
    return if !grep { $_ eq "Name: ucf/title\n" } lines('/var/cache/debconf/templates.dat');
    return if grep { $_ eq "$destination\n" } lines('/var/lib/dpkg/diversions');
    my @known = lines("$state/hashfile");
    return if grep { /\s\Q$destination\E$/ } @known;

    my $source = Cwd::realpath($new);
    return if !defined($source) || $source ne $new;
    open(my $file, '<:raw', $new) or return;
    my $sum = Digest::MD5->new->addfile($file)->hexdigest;
    $say->("Creating config file $destination with new version\n");
    File::Path::make_path("$state/cache");
    copy($new, $destination);
    if (-e "$state/hashfile") {
        rotate("$state/hashfile");
        copy("$state/hashfile", "$state/hashfile.0");
    }
    replace("$state/hashfile", @known, "$sum  $destination\n");
    (my $cached = $destination) =~ tr{/}{:};
    copy($new, "$state/cache/$cached") if $three_way || -s $new < 25600;
    return 0;
}

# ucfr [--force] PACKAGE FILE
sub ucfr {
    my ($environment, $umask, $say, @arguments) = @_;
    my ($package, $file, @rest) = grep { $_ ne '--force' && $_ ne '-f' } @arguments;
    return if !defined($file) || @rest || $package !~ /^[a-z0-9][a-z0-9.+-]*$/;
    plain($environment, $umask, $file) or return;
    my ($directory, $name) = $file =~ m{^(.*)/([^/]+)$} or return;
    my $real = Cwd::realpath($directory);
    return if -l $file || !defined($real) || $real ne $directory;
    my @known = lines("$state/registry");
    my @same = grep { /\s\Q$file\E$/ } @known;
    return 0 if @same == 1 && $same[0] =~ /^\Q$package\E\s/;
    return if @same;

    File::Path::make_path($state);
    open(my $registry, '>>', "$state/registry") or return;
    close($registry);
    rotate("$state/registry");
    copy("$state/registry", "$state/registry.0");
    replace("$state/registry", @known, "$package \t $file\n");
    return 0;
}

1;
