# The third part of the short way of a shim, see launcher.pl: supervise.py and sentinel.py. Compiled while bwrap works.

our ($monitor, $reports, $gate, $life, $life_number, $ids, $held, $ALL, $PRCTL, $SIGTIMEDWAIT, $SIGPROCMASK, $EXIT_GROUP);
our ($WAITID, $SIGACTION, $plan, @command);
my ($SIGCHLD, $SIGCONT, $SIGSTOP, $SIGTSTP, $SI_KERNEL) = (17, 18, 19, 20, 128);
my $none = pack 'q2', 0, 0;
my ($child, $namespace, $theirs, $alone, $sentinel, %told, %came);    # $theirs: the monitor waits for the command

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
        elsif ($code == 5)         { waitpid $pid, 3; stopped($pid, $how) }    # CLD_STOPPED
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

# Whether this was bwrap to its end: PF_FORKNOEXEC.
sub never_started { return (split ' ', content("/proc/$_[0]/stat") =~ s/.*\) //sr)[6] & 0x40 }

sub monitor_ended {
    (split ' ', content("/proc/$child/stat") =~ s/.*\) //sr)[1] == $monitor or return 0;
    while (lstat "/proc/$monitor/fd/$life_number") { }
    return 0 if $! != 2;
    ending($monitor);
    return 1;
}

sub next_signal {
    my $info   = "\0" x 128;
    my $limit  = $namespace && $alone ? pack 'q2', 0, 100_000_000 : 0;
    my $number = syscall $SIGTIMEDWAIT, $ALL, $info, $limit, 8;
    if    ($number > 0) { pass_on($number, unpack 'x8 l', $info) }
    elsif ($limit)      { end_leftovers($child) }
}

sub pass_on {
    my ($number, $code) = @_;
    return if $number == $SIGCHLD && $code > 0;
    my @came = ([$number, $code]);
    my %group = %told;
    %told = ();
    while (1) {
        my $signals = group_signals();
        my $info = "\0" x 128;
        while ((my $more = syscall $SIGTIMEDWAIT, $ALL, $info, $none, 8) > 0) { push @came, [$more, unpack 'x8 l', $info] }
        if (!$signals) { $group{$_->[0]} = 1 for grep { $_->[1] == $SI_KERNEL } @came; last }
        %group = (%group, %$signals);
        last if !defined $sentinel || !%{pending($sentinel)};
    }
    my @numbers = map { $_->[0] } grep { $_->[0] != $SIGCHLD || $_->[1] <= 0 } @came or return;
    my $target = $namespace ? child_of_init($child) : $child;
    my $group = getpgrp $target;
    if (defined $group && $group >= 0 && $group != getpgrp 0) { %group = () }
    elsif ($group{$SIGCONT}) { @group{20 .. 22} = (1) x 3 }
    elsif (grep { $group{$_} } 20 .. 22) { $group{$SIGCONT} = 1 }
    kill $_, $target for grep { !$group{$_} } @numbers;
    @came{@numbers} = (1) x @numbers if $theirs;
}

sub stopped {
    my ($pid, $number) = @_;
    if ($pid == $child && (!$theirs || $alone)) { return stop_with($pid, $number) }
    return if !$theirs || $pid != $monitor;
    kill $SIGCONT, $monitor;
    my $target = $namespace ? child_of_init($child) : $child;
    for (1 .. 30) {
        return stop_with($target, $number) if state($target) eq 'T';
        select undef, undef, undef, 0.01;
    }
}

sub stop_with {
    my ($pid, $number) = @_;
    $number = is_job() ? $SIGTSTP : $SIGSTOP if $number < 20 || $number > 22;
    return kill $number, $$ if $number == $SIGSTOP;
    my $default = "\0" x 32;
    syscall $SIGACTION, $number, $default, 0, 8;
    kill $number, $$;
    %told = (%told, %{group_signals() // {}});
    my $mask = pack 'Q', 1 << $number - 1;
    if (state($pid) eq 'T') {
        syscall $SIGPROCMASK, 1, $mask, 0, 8;
        syscall $SIGPROCMASK, 0, $mask, 0, 8;
    }
    else { syscall $SIGTIMEDWAIT, $mask, 0, $none, 8 }
}

sub is_job {
    my @own    = split ' ', content('/proc/self/stat') =~ s/.*\) //sr;
    my @parent = split ' ', content('/proc/' . getppid . '/stat') =~ s/.*\) //sr or return 0;
    return $parent[3] == $own[3] && $parent[2] != $own[2];
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

sub group_signals {
    defined $sentinel or return undef;
    my $old = $sentinel;
    $sentinel = sentinel();
    my $pending = pending($old);
    ending($old);
    return $pending;
}

sub pending {
    my ($bits) = content("/proc/$_[0]/status") =~ /^ShdPnd:\s*([0-9a-f]+)/m;
    my $number = hex $bits // 0;
    return {map { $_ => 1 } grep { $number >> $_ - 1 & 1 } 1 .. 64};
}

sub has_writers {
    sysopen my $again, '/proc/self/fd/' . fileno $life, 04000 or return 1;    # O_NONBLOCK
    my $read = sysread $again, my $unused, 65536;
    return !defined $read || $read;
}

# ---- processes

sub ending { kill KILL => $_[0]; waitpid $_[0], 0 }

sub child_of_init {
    my ($init) = @_;
    while (-e "/proc/$init/task/$init/children") {
        my @children = children($init);
        my ($found) = grep { is_command($_) } @children;
        return $found if defined $found;
        return $init if @children || state($init) !~ /[^ZX]/;
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

sub state { return content("/proc/$_[0]/stat") =~ /.*\) (.)/s ? $1 : '' }

sub content {
    open my $file, '<', $_[0] or return '';
    local $/;
    return readline($file) // '';
}

1;
