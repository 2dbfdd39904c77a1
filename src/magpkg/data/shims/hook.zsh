# Shims of magpkg in PATH, while the shell is in a directory that has some: eval "$(magpkg hook zsh)"
_magpkg_hook() {
    emulate -L zsh
    local shims=@SHIMS@ directory=${${PWD:A}%/} offered= entry
    while true; do
        # Only launchers that magpkg shim of this very user wrote, and only while the project still has them.
        if [[ -O $directory/.magpkg/bin && -O $shims$directory/.magpkg/bin ]]; then
            offered=$shims$directory/.magpkg/bin
            break
        fi
        [[ $directory == */* ]] || break
        directory=${directory%/*}
    done
    if [[ $offered != "${_magpkg_offered-unknown}" || ( -n $offered && ${path[(Ie)$offered]} -eq 0 ) ]]; then
        path=($offered ${path:#${(b)shims}/*})
        typeset -g _magpkg_offered=$offered
        for entry in ${offered:+$offered/*(N:t)}; do
            [[ -e $directory/.magpkg/bin/$entry ]] || /bin/rm -f -- $offered/$entry
        done
        rehash
    fi
}
# In a function, since options of the user's, such as nounset and ksharrays, give these lines another meaning.
_magpkg_add_hook() {
    emulate -L zsh
    typeset -ga precmd_functions
    (( ${precmd_functions[(Ie)_magpkg_hook]} )) || precmd_functions=(_magpkg_hook $precmd_functions)
}
_magpkg_add_hook
unfunction _magpkg_add_hook
