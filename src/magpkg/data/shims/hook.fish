# Shims of magpkg in PATH, while the shell is in a directory that has some: magpkg hook fish | source
function _magpkg_hook --on-event fish_prompt
    set -l shims @SHIMS@
    set -l directory (string replace -r '/$' '' -- (pwd -P))
    set -l offered
    while true
        # Only launchers that magpkg shim of this very user wrote, and only while the project still has them.
        if test -O "$directory/.magpkg/bin"; and test -O "$shims$directory/.magpkg/bin"
            set offered "$shims$directory/.magpkg/bin"
            break
        end
        string match -q '*/*' -- $directory; or break
        set directory (string replace -r '/[^/]*$' '' -- $directory)
    end
    set -l others
    for entry in $PATH
        test (string sub -l (string length -- "$shims/") -- $entry) = "$shims/"; or set -a others $entry
    end
    if test "$offered $others" != "$_magpkg_offered"
        set -gx PATH $offered $others
        set -g _magpkg_offered "$offered $others"
        for entry in $offered/*
            test -e "$directory/.magpkg/bin/"(basename $entry); or /bin/rm -f -- $entry
        end
    end
end
