# The short way of a shim: a launch by a cached plan, without Python. See "Shims" in docs/architecture.md.
#
#     perl launcher.pl NUMBERS MAGPKG... venv OPTION... -- COMMAND ARGUMENT...
#
# This, arguments.pl and supervisor.pl do what start.py and the modules of launch/ do, with the same files; the reasons
# stand there, and tests/integration/test_launchers.py holds both to the same table. They decide nothing: what is not
# plainly as the plan has it is left to MAGPKG. Tenths of a millisecond count. So no module of Perl is loaded, not even
# strict; calls of the kernel that Perl has no word for are made by their numbers; and bwrap is started as soon as it is
# known which one. It waits for its arguments, having done nothing yet, while arguments.pl is compiled and finds whether
# the plan holds; and supervisor.pl is compiled while bwrap makes the sandbox.

delete @ENV{'PERL_BADLANG', 'PERL_SKIP_LOCALE_INIT'};    # the launcher's, which set them for this process alone
for (grep { /^_MAGPKG_PERL/ } keys %ENV) { $ENV{substr $_, 8} = delete $ENV{$_} }    # others', which it put aside

our ($plan, $held, $monitor, $reports, $previous, $gate, $life, $life_number, $ids);
our $ALL = "\xff" x 8;    # every signal
our ($STATX, $PRCTL, $SIGPROCMASK, $SIGTIMEDWAIT, $EXIT_GROUP, $KEYCTL, $WAITID, $SIGACTION) = map { 0 + $_ } split /,/,
    shift @ARGV;          # a text would be passed by its address
our @magpkg = @ARGV;
$SIG{__DIE__} = \&long_way;
$SIG{CHLD} = 'DEFAULT';
$SIGACTION or long_way();    # a shim of an older magpkg
shift until $ARGV[0] eq 'venv';
my @options;
push @options, shift until $ARGV[0] eq '--';
our (undef, @command) = @ARGV;

$plan = plan(@options);
my $sink = start();
part('arguments.pl');
my $arguments = arguments();
hold("$plan->{venv}.lock");
delete $SIG{__DIE__};        # from here on the command runs
$SIG{PIPE} = 'IGNORE';       # bwrap says itself why it reads no further
for (my $at = 0; $at < length $arguments;) { $at += syswrite($sink, $arguments, 65536, $at) || last }
close $sink;
part('supervisor.pl');
my $status = supervise();
utime undef, undef, $held;
end_like($status);

# Leave everything to magpkg, in this process.
sub long_way {
    if ($monitor) { kill KILL => $monitor; waitpid $monitor, 0 }
    if (defined $previous) {
        my $none = pack 'q2', 0, 0;
        1 while syscall($SIGTIMEDWAIT, $ALL, 0, $none, 8) > 0;    # what has come was the command's
        syscall $SIGPROCMASK, 2, $previous, 0, 8;
    }
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
    my @variables = map { $ENV{$_} // "\n" } 'PWD', 'HOME', 'USER', 'PATH', 'TERM', 'TZ';
    my $user      = join ' ', $<, $(, umask;
    my $key       = join "\0", 'magpkg plan 4', $version, $package, $directory, $user, @variables, @_;
    my $root      = $ENV{MAGPKG_STORE} || (($ENV{HOME} // '') =~ m{\A/} ? "$ENV{HOME}/.magpkg" : long_way());
    my $name = sprintf '%016x', unpack '%64Q*', $key . "\0" x (-length($key) % 8);
    open my $file, '<', "$root/eval/$name" or long_way();
    is_own(stat $_) or long_way() for $file, "$root/eval", $root;
    sysread $file, my $content, -s $file;
    $key = 11 + @_ . "\0$key\0";
    index($content, $key) == 0 or long_way();
    my @items = split /\0/, substr($content, length $key), -1;
    my %plan  = map { $_ => [splice @items, 0, shift @items] }
        'inputs', 'absent', 'variables', 'answers', 'fixed', 'options', 'keep', 'assigned';
    "@items" eq '' && @{$plan{fixed}} == 5 && $plan{fixed}[4] eq '' or long_way();    # what is tied is magpkg's
    @plan{'bwrap', 'venv', 'directory'} = @{$plan{fixed}};
    $plan{rootfs} = "$plan{venv}/rootfs";
    return \%plan;
}

sub is_own { return @_ && $_[4] == $> && !($_[2] & 022) }

# lock.py: the shared lock; one that is not free at once is for magpkg to wait for.
sub hold {
    open $held, '<', $_[0] or long_way();
    flock $held, 5 or long_way();             # LOCK_SH | LOCK_NB
    (stat $held)[3] && -d $plan->{rootfs} or long_way();
    utime undef, undef, $held;
}

# bwrap.py: bwrap, found anew and waiting for its arguments; returns where they are written to.
sub start {
    my ($found) = grep { -x && -f _ } map { ($_ eq '' ? '.' : $_) . '/bwrap' } split /:/, $ENV{PATH} // '/bin:/usr/bin', -1;
    ($found // '') eq $plan->{bwrap} or long_way();
    pipe my $hidden, my $sink or long_way();
    pipe $reports, my $told or long_way();
    pipe my $gated, $gate or long_way();
    pipe $life, my $alive or long_way();
    my @given = ($hidden, $told, $gated);
    $plan->{tried} = [@{$plan->{options}}];
    for (@{$plan->{options}}) {
        if ($_ eq "\x01reports") { open my $again, '>&', $told or long_way(); push @given, $again; $_ = fileno $again }
        if (s/\A\x01ids://) { $ids = $_; $_ = fileno $gated }
        s/\A\x01handed:// or next;
        pipe my $reader, my $writer or long_way();
        syswrite $writer, pack 'H*', $_;
        push @given, $reader;
        $_ = fileno $reader;
    }
    my ($chosen) = grep { !-e "/proc/self/fd/$_" } 200 .. 207;
    my $number = defined $chosen ? fcntl $alive, 0, $chosen : undef;    # F_DUPFD: out of the way of scripts
    open my $kept, '>&=', $number if defined $number;
    $life_number = fileno($kept // $alive);
    $previous = "\0" x 8;
    syscall $SIGPROCMASK, 0, $ALL, $previous, 8;    # SIG_BLOCK
    $monitor = fork // long_way();
    return $sink if $monitor;
    fcntl $_, 2, 0 for @given, $kept // $alive;                         # F_SETFD: inherited
    keep_from_command(map { fileno $_ } @given, $kept // $alive);
    syscall $KEYCTL, 1, 0;                                              # KEYCTL_JOIN_SESSION_KEYRING
    $SIG{PIPE} = $SIG{XFSZ} = 'DEFAULT';
    syscall $SIGPROCMASK, 2, $previous, 0, 8;                           # SIG_SETMASK
    %ENV = ();
    exec {$found} 'bwrap', '--args', fileno $hidden, '--json-status-fd', fileno $told, '--block-fd', fileno $gated, '--',
        @command;
    syscall $EXIT_GROUP, 1;
}

# inherited.py: what is a way out of the sandbox is closed here, in the process that becomes bwrap.
sub keep_from_command {
    my %own = map { $_ => 1 } @_;
    opendir my $listing, '/proc/self/fd' or return;
    for (grep { /\d/ && !$own{$_} } readdir $listing) {
        my $path = "/proc/self/fd/$_";
        stat $path or next;
        next if -p _ || -S _ || -c _ || -f _ && readlink($path) =~ m{\A/};
        if    ($_ > 2)  { open my $odd, '<&=', $_; close $odd if $odd }
        elsif ($_ == 0) { open STDIN,  '<',  '/dev/null' }
        elsif ($_ == 1) { open STDOUT, '+<', '/dev/null' }
        elsif ($_ == 2) { open STDERR, '+<', '/dev/null' }
    }
}

# kernel.py: end as the command did, whose status is -n where a signal ended it.
sub end_like {
    my ($status) = @_;
    if ($status < 0) {
        my ($number, $default) = (-$status, "\0" x 32);                 # struct sigaction
        syscall $PRCTL, 4, 0, 0, 0, 0;                                  # PR_SET_DUMPABLE: the core is the command's
        syscall $SIGACTION, $number, $default, 0, 8 if $number != 9;
        my $mask = pack 'Q', 1 << $number - 1;
        syscall $SIGPROCMASK, 1, $mask, 0, 8;                           # SIG_UNBLOCK
        kill $number, $$;
        $status = 128 + $number;
    }
    syscall $EXIT_GROUP, 0 + $status;                                   # nothing is left to flush
}
