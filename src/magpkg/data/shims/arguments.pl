# The second part of the short way of a shim, see launcher.pl: bwrap's arguments, if the plan holds.

our ($STATX, $plan);

# All of bwrap's arguments, each ended by a NUL.
sub arguments {
    my %values = environment();
    holds() or long_way();
    my @set = map { ('--setenv', $_, $values{$_}) } keys %values;
    return join '', map { "$_\0" } @{$plan->{options}}, '--clearenv', @set, '--chdir', $plan->{directory};
}

# ---- plan.py

sub holds {
    my @variables = @{$plan->{variables}};
    while (my ($name, $value) = splice @variables, 0, 2) { return 0 if ($ENV{$name} // '') ne $value }
    my @inputs = @{$plan->{inputs}};
    while (my ($path, $known) = splice @inputs, 0, 2) { return 0 if identity($path) ne $known }
    for (@{$plan->{absent}}) { return 0 if lstat }
    my @answers = @{$plan->{answers}};
    while (my @answer = splice @answers, 0, 3) { return 0 unless still_true(@answer) }
    return 1;
}

sub identity {
    my $buffer = "\0" x 256;    # struct statx, the same on all machines: linux/stat.h
    syscall($STATX, -100, $_[0], 0, 0x7ff, $buffer) == 0 or return '';    # AT_FDCWD, STATX_BASIC_STATS
    my ($inode, $size, $changed, $changed_n, $written, $written_n, $major, $minor) =
        unpack 'x32 Q Q x48 q L x4 q L x12 L L', $buffer;
    my $device = ($minor & 0xff) | ($major & 0xfff) << 8 | ($minor & ~0xff) << 12 | ($major & ~0xfff) << 32;
    return join ' ', $device, $inode, $size, $written * 1000000000 + $written_n, $changed * 1000000000 + $changed_n;
}

# ---- hostfiles.py

sub still_true {
    my ($question, $path, $told) = @_;
    if ($question eq 'link') { return (readlink($path) // '') eq $told }
    my $found = lstat $path;
    if ($found && -l _) {
        if ($question eq 'kind') { return $told eq 'symlink' }
        $found = stat $path;
    }
    if ($found) { return $told eq (-d _ ? 'directory' : 'file') }
    return $told eq ($! == 2 || $! == 20 ? 'missing' : 'unknown');    # ENOENT, ENOTDIR
}

# ---- environment.py

sub environment {
    my %values = (PATH => '/usr/bin:/bin:/usr/sbin:/sbin', LD_LIBRARY_PATH => '/usr/lib64:/usr/lib:/lib');
    for my $name ('HOME', 'TERM', @{$plan->{keep}}) {
        my ($own, $pattern) = ('', quotemeta $name);
        if ($pattern =~ s/\\\*/.*/g) { $own = join '|', 'PATH', 'LD_LIBRARY_PATH', 'PWD' }
        my @found = $own ? grep { /\A$pattern\z/s && !/\A(?:$own)\z/ } keys %ENV : $name;
        for (@found) { $values{$_} = $ENV{$_} if defined $ENV{$_} }
    }
    %values = (%values, @{$plan->{assigned}});
    $values{LANG} = 'C.UTF-8' unless grep { defined $values{$_} } 'LANG', 'LC_ALL', 'LC_CTYPE';
    return %values;
}

1;
