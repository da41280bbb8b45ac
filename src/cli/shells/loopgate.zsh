#compdef loopgate
# Completions of loopgate for zsh.
# In ~/.zshrc, behind `autoload -Uz compinit && compinit`: source <(loopgate completions zsh)
# or once, as the file _loopgate in a directory of $fpath.

_loopgate_offer() { # KIND [SWARM]: names that the running instance knows
    local -a found expl
    found=(${(f)"$(command loopgate names "$@" 2>/dev/null </dev/null)"})
    found=(${(M)found:#[A-Za-z0-9_]*})
    found=(${found:#*[^A-Za-z0-9_/-]*})
    _wanted "$1" expl "${1%s}" compadd -a found
}
_loopgate_agent() { _loopgate_offer agents }
_loopgate_any-agent() { _loopgate_offer any }
_loopgate_swarm-or-agent() { _loopgate_offer all }
_loopgate_swarm() { _loopgate_offer swarms }
_loopgate_member() { [[ -n $line[1] ]] && _loopgate_offer members "$line[1]" }
_loopgate_file-or-swarm() { _alternative 'swarms:swarm:_loopgate_swarm' 'files:file:_files' }
_loopgate_variable() { _parameters -g '*export*' }

_loopgate_verb() {
    local -a verbs=(
@VERBS@
    )
    _describe -t commands command verbs
}

_loopgate() {
    local curcontext="$curcontext" state
    local -a line help=('(-h --help)-h[explain it]' '(-h --help)--help[explain it]')
    local -A opt_args
    _arguments -C -S $help '(- *)-v[print the version]' '(- *)--version[print the version]' \
        '1:command:_loopgate_verb' '*:: :->words'
    [[ $state == words ]] || return
    curcontext="${curcontext%:*:*}:loopgate-$line[1]:"
    case $line[1] in
@COMMANDS@
    esac
}

if [[ $funcstack[1] == _loopgate ]]; then
    _loopgate "$@"
elif (( $+functions[compdef] )); then
    compdef _loopgate loopgate
else
    print -u2 'loopgate: put `autoload -Uz compinit && compinit` before its completions'
fi
