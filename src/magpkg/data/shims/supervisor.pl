# The third part of the short way of a shim, see launcher.pl: waiting, as launch.py does, where something else happens
# than that the command and then bwrap's monitor end: a signal came, or the monitor was ended by one.

our ($monitor, $AWAITED, $SIGTIMEDWAIT);
my $SIGCHLD   = 17;
my $SI_KERNEL = 128;

# The exit status of the command, of which bwrap told $said. The signal $number came, with its siginfo_t $info; the
# monitor ended with the wait status $monitor_code, if it did.
sub supervise {
    my ($said, $number, $info, $monitor_code) = @_;
    my ($command) = $said =~ /"child-pid": *(\d+)/;
    my $namespace = $said =~ /"pid-namespace"/;
    pass_on($number, $info, $command, $namespace);
    return shell_status($monitor_code) if defined $monitor_code && !defined $command;
    while (1) {
        my ($pid, $code) = next_ended($command, $namespace, $namespace && defined $monitor_code);
        if ($pid == $monitor) {
            my $status = reported($said, $code);
            return $status if defined $status;
            return shell_status($code) unless defined $command;    # a signal came before there was a command
            $monitor_code = $code;
        }
        elsif ($pid < 0) {
            kill KILL => $command if defined $command;
            return shell_status($monitor_code);
        }
        elsif ($pid == ($command // 0)) {
            waitpid $monitor, 0 unless defined $monitor_code;
            return shell_status($code);
        }
    }
}

# The next child that ends, with its wait status; -1 where none is left. Signals are passed on meanwhile.
sub next_ended {
    my ($command, $namespace, $watch) = @_;
    my $limit = $watch ? pack 'q2', 0, 100_000_000 : 0;
    while (1) {
        my $pid = waitpid -1, 1;    # WNOHANG
        return ($pid, $?) if $pid;
        my $info   = "\0" x 128;
        my $number = syscall $SIGTIMEDWAIT, $AWAITED, $info, $limit, 8;
        if    ($number > 0) { pass_on($number, $info, $command, $namespace) }
        elsif ($watch)      { end_leftovers($command) }
    }
}

# A signal of the terminal has gone to the command too.
sub pass_on {
    my ($number, $info, $command, $namespace) = @_;
    my ($code) = unpack 'x8 l', $info;
    return if $number <= 0 || $number == $SIGCHLD || $code == $SI_KERNEL || !defined $command;
    kill $number, $namespace ? child_of_init($command) : $command;
}

sub child_of_init {
    my ($init) = @_;
    while (-e "/proc/$init/task/$init/children") {
        my @children = children($init);
        my ($found) = grep { is_command($_) } @children;
        return $found if defined $found;
        return $init if @children || content("/proc/$init/stat") !~ /\) [^ZX]/;
        select undef, undef, undef, 0.001;
    }
    return $init;
}

sub end_leftovers {
    my @children = children($_[0]);
    kill KILL => @children unless grep { is_command($_) } @children;
}

sub is_command { return content("/proc/$_[0]/status") =~ /^NSpid:\s*\d+\s+2\b/m }

sub children { return split ' ', content("/proc/$_[0]/task/$_[0]/children") }

sub content {
    open my $file, '<', $_[0] or return '';
    local $/;
    return readline($file) // '';
}

1;
