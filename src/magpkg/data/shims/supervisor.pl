# The third part of the short way of a shim, see launcher.pl: supervise.py and sentinel.py. Compiled while bwrap works.

our ($monitor, $reports, $gate, $life, $life_number, $ids, $held, $ALL, $PRCTL, $SIGTIMEDWAIT, $SIGPROCMASK, $EXIT_GROUP);
our ($WAITID, $SIGACTION, $plan, @command);
our ($child, $namespace, $theirs, $alone, $sentinel, %came);    # $theirs: the monitor waits for the command

# The status of the command, or -n where signal n ended it.
sub supervise {
    my $said = '';
    while ($said !~ /\}/) { sysread $reports, $said, 4096, length $said or last }
    ($child) = $said =~ /"child-pid": *(\d+)/;
    if (!defined $child) {
        waitpid $monitor, 0;
        return -($? & 127) if $? & 127;
        tried();
    }
    give_ids() if defined $ids;
    $namespace = $said =~ /"pid-namespace"/;
    syscall $PRCTL, 36, 1, 0, 0, 0;                                      # PR_SET_CHILD_SUBREAPER
    $sentinel = sentinel();
    $theirs = $namespace || !monitor_ended();
    syswrite $gate, 'x';
    close $gate;
    my $status = waited();
    ending($sentinel) if defined $sentinel && !has_writers();
    defined $status or tried();
    return $status;
}

# bwrap.py: the ids of root's sandbox.
sub give_ids {
    my @maps = split /\|/, $ids;
    for ('uid_map', 'gid_map') {
        my $map;
        next if sysopen($map, "/proc/$child/$_", 1) && syswrite $map, shift @maps;
        kill KILL => $child;
        waitpid $monitor, 0;
        undef $monitor;
        long_way();
    }
    syswrite $gate, "x";
}

# magpkg finds out why bwrap failed, and need not have it fail again.
sub tried {
    undef $monitor;
    my $text = join "\0", @{$plan->{tried}}, @command;
    $ENV{_MAGPKG_TRIED} = sprintf '%016x', unpack '%64Q*', $text . "\0" x (-length($text) % 8);
    long_way();
}

sub waited {
    while (1) {
        my $info = "\0" x 128;                                           # siginfo_t
        syscall($WAITID, 0, 0, $info, 0x01000007, 0) == 0 or return undef;    # WNOHANG, WSTOPPED, WEXITED, WNOWAIT
        my ($code, $pid, $how) = unpack 'x8 l x4 l x4 l', $info;
        if    (!$pid)              { next_signal() }
        elsif ($code == 5)         { waitpid $pid, 3; part('signals.pl') if !defined &stopped; stopped($pid, $how) }    # CLD_STOPPED
        elsif ($pid == $child)   {
            my $status = $code != 1 ? -$how : $how == 1 && never_started($pid) ? undef : $how;    # CLD_EXITED
            waitpid $pid, 0;
            return $namespace && defined $status && $came{$status - 128} ? 128 - $status : $status;
        }
        else {
            waitpid $pid, 0;
            next if !$theirs || $pid != $monitor;
            my ($said, $ended) = ('', $?);
            while (sysread $reports, $said, 4096, length $said) { }
            my ($status) = $said =~ /"exit-code": *(\d+)/;
            if (!defined $status && $ended & 127) { $alone = 1; next }
            if ($namespace && defined $status) { ending($child) }
            return defined $status && $came{$status - 128} ? 128 - $status : $status;
        }
    }
}

# The common case, which needs no more of this compiled, is that the kernel tells of a child.
sub next_signal {
    my $info   = "\0" x 128;
    my $limit  = $namespace && $alone ? pack 'q2', 0, 100_000_000 : 0;
    my $number = syscall $SIGTIMEDWAIT, $ALL, $info, $limit, 8;
    my $code   = unpack 'x8 l', $info;
    return if $number == 17 && $code > 0;    # SIGCHLD
    part('signals.pl') if !defined &pass_on;
    if    ($number > 0) { pass_on($number, $code) }
    elsif ($limit)      { end_leftovers($child) }
}

# Whether this was bwrap to its end: PF_FORKNOEXEC.
sub never_started { return (split ' ', content("/proc/$_[0]/stat") =~ s/.*\) //sr)[6] & 0x40 }

sub monitor_ended {
    (split ' ', content("/proc/$child/stat") =~ s/.*\) //sr)[1] == $monitor or return 0;
    while (lstat "/proc/$monitor/fd/$life_number") { }
    return 0 if $! != 2;
    ending($monitor);
    return 1;
}

# ---- sentinel.py

sub sentinel {
    my $pid = fork;
    return $pid if !defined $pid || $pid;
    chdir '/';
    my %kept = map { fileno $_ => 1 } $life, $held;
    opendir my $listing, '/proc/self/fd';
    for (grep { /\d/ && !$kept{$_} && $_ != fileno $listing } readdir $listing) { open my $other, '<&=', $_; close $other if $other }
    1 while sysread $life, my $unused, 65536;
    syscall $EXIT_GROUP, 0;
}

sub has_writers {
    sysopen my $again, '/proc/self/fd/' . fileno $life, 04000 or return 1;    # O_NONBLOCK
    my $read = sysread $again, my $unused, 65536;
    return !defined $read || $read;
}

# ---- processes

sub ending { kill KILL => $_[0]; waitpid $_[0], 0 }

sub content {
    open my $file, '<', $_[0] or return '';
    local $/;
    return readline($file) // '';
}

1;
