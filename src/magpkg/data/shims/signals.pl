# The fourth part of the short way of a shim, see launcher.pl: supervise.py and sentinel.py where a signal came, or a
# process has stopped. Compiled only then.

our ($monitor, $ALL, $SIGTIMEDWAIT, $SIGPROCMASK, $SIGACTION, $child, $namespace, $theirs, $alone, $sentinel, %came);
my ($SIGCHLD, $SIGCONT, $SIGSTOP, $SIGTSTP, $SI_KERNEL) = (17, 18, 19, 20, 128);
my $none = pack 'q2', 0, 0;
my %told;

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

1;
