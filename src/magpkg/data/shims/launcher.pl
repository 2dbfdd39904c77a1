# The short way of a shim: a launch by a cached plan, without Python. See "Shims" in docs/architecture.md.
#
#     perl launcher.pl NUMBERS MAGPKG... venv OPTION... -- COMMAND ARGUMENT...
#
# This, arguments.pl and supervisor.pl do what start.py, plan.py, hostfiles.py, lock.py, environment.py and launch.py do,
# with the same files; the reasons stand there. They decide nothing: what is not plainly as the plan has it is left to
# MAGPKG. Tenths of a millisecond count. So no module of Perl is loaded, not even strict; calls of the kernel that Perl
# has no word for are made by their numbers; and bwrap is started as soon as it is known which one. It waits for its
# arguments, having done nothing yet, while arguments.pl is compiled and finds whether the plan holds.

delete @ENV{'PERL_BADLANG', 'PERL_SKIP_LOCALE_INIT'};    # the launcher's, which set them for this process alone

our ($plan, $held, $monitor, $reports, $previous);
our $AWAITED = pack 'Q', 0x14a07;                        # HUP INT QUIT USR1 USR2 TERM CHLD, each n as bit n - 1
our ($STATX, $PRCTL, $SIGPROCMASK, $SIGTIMEDWAIT, $EXIT_GROUP) = split /,/, shift @ARGV;
$_ += 0 for $STATX, $PRCTL, $SIGPROCMASK, $SIGTIMEDWAIT, $EXIT_GROUP;    # a text would be passed by its address
our @magpkg = @ARGV;
$SIG{__DIE__} = \&long_way;
shift until $ARGV[0] eq 'venv';
my @options;
push @options, shift until $ARGV[0] eq '--';
our (undef, @command) = @ARGV;

$plan = plan(@options);
hold("$plan->{venv}.lock");
my $sink = start();
part('arguments.pl');
my $arguments = arguments();
delete $SIG{__DIE__};        # from here on the command runs
$SIG{PIPE} = 'IGNORE';       # bwrap says itself why it reads no further
for (my $at = 0; $at < length $arguments;) { $at += syswrite($sink, $arguments, 65536, $at) || last }
close $sink;
syscall $PRCTL, 36, 1, 0, 0, 0;        # PR_SET_CHILD_SUBREAPER
my $status = ended();
utime undef, undef, $held;
syscall $EXIT_GROUP, 0 + $status;      # nothing is left to flush

# Leave everything to magpkg, in this process.
sub long_way {
    if ($monitor) { kill KILL => $monitor; waitpid $monitor, 0 }
    syscall $SIGPROCMASK, 2, $previous, 0, 8 if defined $previous;
    $SIG{PIPE} = 'DEFAULT' if defined $sink;
    { exec {$magpkg[0]} @magpkg }
    print STDERR "magpkg: error: $magpkg[0]: cannot be run: $!\n";
    exit 125;
}

# Compile another part of this.
sub part { (my $path = $0) =~ s{[^/]*\z}{$_[0]}; do $path or long_way() }

# plan.py: the plan for these options, from here and with this environment.
sub plan {
    my $directory = readlink '/proc/self/cwd';
    my @here      = stat '.';
    my @named     = stat $directory;    # of a directory that was removed the kernel gives a made-up name
    @named && "@here[0, 1]" eq "@named[0, 1]" or long_way();
    my ($package) = $0 =~ m{\A(.*)/data/shims/};
    open my $source, '<', "$package/__init__.py" or long_way();
    sysread $source, my $text, 4096;
    my ($version) = $text =~ /^__version__ = "(.*)"$/m;
    my @variables = map { $ENV{$_} // '' } 'PWD', 'HOME', 'USER', 'PATH';
    my $key       = join "\0", 'magpkg plan 2', $version, $package, $directory, @variables, @_;
    my $root      = $ENV{MAGPKG_STORE} || (($ENV{HOME} // '') =~ m{\A/} ? "$ENV{HOME}/.magpkg" : long_way());
    my $name = sprintf '%016x', unpack '%64Q*', $key . "\0" x (-length($key) % 8);
    open my $file, '<', "$root/eval/$name" or long_way();
    sysread $file, my $content, -s $file;
    $key = 8 + @_ . "\0$key\0";
    index($content, $key) == 0 or long_way();
    my @items = split /\0/, substr($content, length $key), -1;
    my %plan  = map { $_ => [splice @items, 0, shift @items] }
        'inputs', 'absent', 'variables', 'answers', 'fixed', 'options', 'keep', 'assigned';
    "@items" eq '' && @{$plan{fixed}} == 4 or long_way();
    @plan{'bwrap', 'venv', 'directory'} = @{$plan{fixed}};
    $plan{rootfs} = "$plan{venv}/rootfs";
    return \%plan;
}

# lock.py: the shared lock; one that is not free at once is for magpkg to wait for.
sub hold {
    open my $opened, '<', $_[0] or long_way();
    my $number = fcntl $opened, 1030, 200;    # F_DUPFD_CLOEXEC, out of the way of the descriptors that scripts choose
    open $held, '<&=', $number or long_way();
    flock $held, 5 or long_way();             # LOCK_SH | LOCK_NB
    (stat $held)[3] && -d $plan->{rootfs} or long_way();
    utime undef, undef, $held;
}

# launch.py: bwrap, waiting for its arguments; returns where they are written to.
sub start {
    pipe my $hidden, my $sink or long_way();
    pipe $reports, my $told or long_way();
    $previous = "\0" x 8;
    syscall $SIGPROCMASK, 0, $AWAITED, $previous, 8;    # SIG_BLOCK
    $monitor = fork // long_way();
    return $sink if $monitor;
    fcntl $_, 2, 0 for $hidden, $told, $held;                   # F_SETFD: inherited
    $SIG{PIPE} = $SIG{XFSZ} = 'DEFAULT';
    syscall $SIGPROCMASK, 2, $previous, 0, 8;           # SIG_SETMASK
    %ENV = ();
    exec {$plan->{bwrap}} 'bwrap', '--args', fileno $hidden, '--json-status-fd', fileno $told, '--', @command;
    syscall $EXIT_GROUP, 1;
}

# The exit status of the command, when it has ended. Anything but the plain case is supervisor.pl's.
sub ended {
    my $said = '';
    while ($said !~ /\}/) { sysread $reports, $said, 4096, length $said or last }
    my $info   = "\0" x 128;                                    # siginfo_t
    my $number = syscall $SIGTIMEDWAIT, $AWAITED, $info, 0, 8;
    my $code   = waitpid($monitor, 1) == $monitor ? $? : undef; # WNOHANG
    my $status = defined $code ? reported($said, $code) : undef;
    return $status if defined $status;
    part('supervisor.pl');
    return supervise($said, $number, $info, $code);
}

# The exit status that the monitor reported before it ended; undef where a signal ended it.
sub reported {
    my ($said, $code) = @_;
    while (sysread $reports, $said, 4096, length $said) { }
    my ($init)   = $said =~ /"child-pid": *(\d+).*"pid-namespace"/;
    my ($status) = $said =~ /"exit-code": *(\d+)/;
    if (defined $status && $init) { kill KILL => $init; waitpid $init, 0 }
    if (!defined $status && !($code & 127)) { undef $monitor; long_way() }    # magpkg finds out why
    return $status;
}

sub shell_status { return $_[0] & 127 ? 128 + ($_[0] & 127) : $_[0] >> 8 }
