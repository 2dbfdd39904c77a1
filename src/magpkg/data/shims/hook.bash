# Shims of magpkg in PATH, while the shell is in a directory that has some: eval "$(magpkg hook bash)"
_magpkg_hook() {
    local status=$? shims=@SHIMS@ directory offered= entry kept=
    if [[ $PWD != "${_magpkg_pwd-}" ]]; then
        _magpkg_pwd=$PWD
        _magpkg_real=$(pwd -P 2>/dev/null)
    fi
    directory=${_magpkg_real%/}
    while :; do
        # Only launchers that magpkg shim of this very user wrote, and only while the project still has them.
        if [[ -O $directory/.magpkg/bin && -O $shims$directory/.magpkg/bin ]]; then
            offered=$shims$directory/.magpkg/bin
            break
        fi
        [[ $directory == */* ]] || break
        directory=${directory%/*}
    done
    if [[ $offered != "${_magpkg_offered-unknown}" || ( $offered && :$PATH: != *":$offered:"* ) ]]; then
        local IFS=:
        local flags=$-
        set -f
        for entry in $PATH; do
            [[ $entry == "$shims"/* ]] || kept=${kept:+$kept:}$entry
        done
        [[ $flags == *f* ]] || set +f
        PATH=${offered:+$offered:}$kept
        _magpkg_offered=$offered
        for entry in ${offered:+"$offered"/*}; do
            [[ -e $directory/.magpkg/bin/${entry##*/} ]] || /bin/rm -f -- "$entry"
        done
        hash -r
    fi
    return "$status"
}
if [[ ";${PROMPT_COMMAND[*]-};" != *_magpkg_hook* ]]; then
    if [[ $(declare -p PROMPT_COMMAND 2>/dev/null) == 'declare -a'* ]]; then
        PROMPT_COMMAND=(_magpkg_hook "${PROMPT_COMMAND[@]}")
    else
        PROMPT_COMMAND="_magpkg_hook${PROMPT_COMMAND:+;$PROMPT_COMMAND}"
    fi
fi
