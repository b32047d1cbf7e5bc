# Runs Perl programs for perl-client.sh, each in a process of its own that has what the client has:
# arguments, environment, directory, umask and open files, as /proc shows them. Loading modules is
# what most of these programs spend their time on, and it is done here once.
package Vmimage::PerlServer;
use strict;
use Fcntl qw(O_RDWR S_ISREG);
use POSIX qw(WNOHANG);

my ($directory, $real) = ('/run/vmimage/perl', '/run/vmimage/real');

# What the programs load. A module that is not there is nobody's.
for my $module (
    qw(Getopt::Long File::Basename File::Find File::Path File::Temp File::Copy File::stat Fcntl
    Text::ParseWords Text::Wrap Text::Iconv Cwd Encode I18N::Langinfo Locale::gettext
    Debconf::Log Debconf::Gettext Debconf::Db Debconf::Config Debconf::Template Debconf::Question
    Debconf::AutoSelect Debconf::ConfModule Debconf::Encoding Debconf::DbDriver::Stack
    Debconf::DbDriver::File Debconf::DbDriver::PackageDir Debconf::DbDriver::Debug
    Debconf::Format::822 Debconf::FrontEnd::Noninteractive Debconf::Element::Noninteractive::Boolean
    Debconf::Element::Noninteractive::String Debconf::Element::Noninteractive::Select
    Debconf::Element::Noninteractive::Multiselect Debconf::Element::Noninteractive::Password
    Debconf::Element::Noninteractive::Note Debconf::Element::Noninteractive::Text
    Debconf::Element::Noninteractive::Error Debconf::Element::Noninteractive::Progress)
    )
{
    my $file = "$module.pm";
    $file =~ s{::}{/}g;
    local ($@, $SIG{__DIE__}, $SIG{__WARN__}) = ('', 'DEFAULT', sub { });
    eval { require $file };
}

# What is done here, without a process of its own; a function that returns nothing has the client run
# the program.
my %own = (ucf => sub { return }, ucfr => sub { return });
if (eval { require "$directory/ucf.pl" }) {
    %own = (ucf => \&Vmimage::Ucf::ucf, ucfr => \&Vmimage::Ucf::ucfr);
}

sysopen(my $queue, "$directory/queue", O_RDWR) or die "cannot open the queue: $!\n";
my %client_of;
my $self = $$;
# A line of its own wakes the loop, so that no end is missed between a look and a read.
$SIG{CHLD} = sub { syswrite($queue, "0 end\n") if $$ == $self };
while (defined(my $line = readline($queue))) {
    my ($client, $program) = $line =~ /^(\d+) (\S+)$/ or next;
    if ($client && $own{$program}) {
        my $code = here($client, $own{$program});
        answer($client, defined $code ? $code : 'refused');
    }
    elsif ($client) {
        my $child = fork();
        if (defined $child && !$child) {
            close($queue);
            become($client, $program);
        }
        defined $child ? ($client_of{$child} = $client) : answer($client, 'refused');
    }
    while ((my $child = waitpid(-1, WNOHANG)) > 0) {
        my $code = $? & 127 ? 128 + ($? & 127) : $? >> 8;
        answer(delete $client_of{$child}, -e "$directory/refused.$child" ? 'refused' : $code);
        unlink("$directory/refused.$child");
    }
}

sub answer {
    my ($client, $code) = @_;
    open(my $answer, '>', "$directory/$client") or return;
    print $answer "$code\n";
    close($answer);
    unlink("$directory/$client");
}

# Runs a function of ours for the client.
sub here {
    my ($client, $function) = @_;
    my ($arguments, $environment, $umask) = circumstances($client) or return;
    shift(@$arguments);
    my $say = sub {
        open(my $output, '>>', "/proc/$client/fd/2") or return;
        print $output @_;
    };
    my $code = eval { $function->($environment, $umask, $say, @$arguments) };
    $say->("error: $@") if $@;
    return $@ ? 1 : $code;
}

# What a client was started with: arguments from its name on, environment, umask.
sub circumstances {
    my ($client) = @_;
    my ($line, $variables, $status) =
        map { slurp("/proc/$client/$_") } qw(cmdline environ status);
    return if grep { !defined } ($line, $variables, $status);
    my (undef, @arguments) = split(/\0/, $line, -1);
    pop(@arguments);
    my %environment = map { split(/=/, $_, 2) } grep { /=/ } split(/\0/, $variables);
    $status =~ /^Umask:\s*([0-7]+)$/m or return;
    return (\@arguments, \%environment, oct($1));
}

# Ends this process so that the client runs the program itself.
sub refuse {
    open(my $mark, '>', "$directory/refused.$$");
    POSIX::_exit(1);
}

sub slurp {
    my ($path) = @_;
    open(my $file, '<', $path) or return undef;
    local $/ = undef;
    my $text = readline($file);
    return defined $text ? $text : '';
}

# Opens what the client has open as `$descriptor`: pipes and terminals as they are, regular files
# where the client is in them.
sub reopen {
    my ($client, $descriptor, $handle) = @_;
    my ($path, $info) = map { "/proc/$client/$_/$descriptor" } qw(fd fdinfo);
    my $text = slurp($info);
    defined $text or refuse();
    my ($position, $flags) = $text =~ /^pos:\s*(\d+)\nflags:\s*([0-7]+)/ or refuse();
    my $access = oct($flags) & 3;
    my $append = oct($flags) & 02000;
    my $mode = $access == 0 ? '<' : $access == 2 ? '+<' : $append || -f $path ? '>>' : '>';
    open($handle, $mode, $path) or refuse();
    sysseek($handle, $position, 0) if -f $path && $mode ne '>>';
    return;
}

sub become {
    my ($client, $program) = @_;
    $SIG{CHLD} = 'DEFAULT';
    my ($arguments, $environment, $umask) = circumstances($client) or refuse();
    my ($shown, @arguments) = @$arguments;
    umask($umask);
    chdir("/proc/$client/cwd") or refuse();
    reopen($client, 0, *STDIN);
    reopen($client, 1, *STDOUT);
    reopen($client, 2, *STDERR);
    %ENV = %$environment;
    my $file = "$real/$program";
    open(my $text, '<', $file) or refuse();
    $^W = readline($text) =~ /^#!.*\s-\w*w/ ? 1 : 0;
    close($text);
    ($0, @ARGV) = ($shown, @arguments);
    srand();
    package main;
    undef $!;
    do $file;
    if ($@) {
        print STDERR $@;
        exit(255);
    }
    exit(0);
}
