# Completions of loopgate for bash, with or without the package bash-completion.
# In ~/.bashrc: source <(loopgate completions bash)
# or once, with that package, as ~/.local/share/bash-completion/completions/loopgate.

_loopgate_flags() { # VERB: sets `kind` to its flags
    case $1 in
@FLAGS@
        *) return 1 ;;
    esac
}

_loopgate_value() { # VERB:FLAG: sets `kind` to what its value is; fails where it takes none
    case $1 in
@VALUES@
        *) return 1 ;;
    esac
}

_loopgate_operand() { # VERB:NUMBER: sets `kind` to what the operand is
    case $1 in
@OPERANDS@
        *) return 1 ;;
    esac
}

_loopgate_take() { # WORDS: those that begin like the word at the cursor
    local name
    for name in "$@"; do
        [[ $name == "$cur"* ]] && COMPREPLY+=("$prefix$name")
    done
}

_loopgate_names() { # KIND [SWARM]: names that the running instance knows
    local name
    while IFS= read -r name; do
        [[ $name == [A-Za-z0-9_]* && $name != *[!A-Za-z0-9_/-]* ]] && _loopgate_take "$name"
    done < <(command loopgate names "$@" 2>/dev/null </dev/null)
}

_loopgate_paths() { # -f or -d: files, or directories alone
    local path
    while IFS= read -r path; do
        # where the shell does not know that it is a file, it does not quote it either
        [[ -n $prefix ]] && printf -v path %q "$path"
        COMPREPLY+=("$prefix$path")
    done < <(compgen "$1" -- "$cur")
    [[ -n $prefix ]] || compopt -o filenames 2>/dev/null
}

_loopgate_program() { # the number of the word at which another command line begins
    if ((COMP_CWORD == $1)); then
        local path
        while IFS= read -r path; do
            COMPREPLY+=("$path")
        done < <(compgen -c -- "$cur")
        # a program's name may hold anything: the shell quotes it
        compopt -o filenames 2>/dev/null
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    else
        _loopgate_paths -f
    fi
}

_loopgate() {
    local cur=${COMP_WORDS[COMP_CWORD]} prefix= word verb= flag= swarm= ended= letter i=1 n=0
    local -a kind=()
    COMPREPLY=()
    while ((i < COMP_CWORD)); do
        word=${COMP_WORDS[i]}
        if [[ $flag == --* && $word == = ]]; then
            : # the value stands behind it
        elif [[ -n $flag ]]; then
            flag=
        elif [[ -z $verb ]]; then
            [[ $word == -* ]] && return
            verb=$word
        elif [[ -z $ended && $word == -- ]]; then
            ended=1
        elif [[ -z $ended && $word == --* ]]; then
            _loopgate_value "$verb:$word" && flag=$word
        elif [[ -z $ended && $word == -?* ]]; then
            for ((letter = 1; letter < ${#word}; letter++)); do
                if _loopgate_value "$verb:-${word:letter:1}"; then
                    ((letter + 1 == ${#word})) && flag=-${word:letter:1}
                    break
                fi
            done
        else
            kind=()
            _loopgate_operand "$verb:$n"
            case ${kind[0]-} in
                program)
                    _loopgate_program "$i"
                    return
                    ;;
                swarm | swarm-or-agent | file-or-swarm) swarm=$word ;;
            esac
            ((n++))
        fi
        ((i++))
    done

    kind=()
    if [[ -n $flag ]]; then
        [[ $cur == = ]] && cur=
        _loopgate_value "$verb:$flag"
    elif [[ -z $verb && $cur == -* ]]; then
        kind=(word -h --help -v --version)
    elif [[ -z $verb ]]; then
        kind=(verb)
    elif [[ -z $ended && $cur == --*=* ]]; then
        # where `=` does not part words
        _loopgate_value "$verb:${cur%%=*}" && prefix=${cur%%=*}= && cur=${cur#*=}
    elif [[ -z $ended && $cur == -* ]]; then
        _loopgate_flags "$verb"
    else
        _loopgate_operand "$verb:$n"
    fi

    case ${kind[0]-} in
        word) _loopgate_take "${kind[@]:1}" ;;
        verb) _loopgate_take @VERBS@ ;;
        file) _loopgate_paths -f ;;
        directory) _loopgate_paths -d ;;
        file-or-swarm)
            _loopgate_names swarms
            _loopgate_paths -f
            ;;
        agent) _loopgate_names agents ;;
        any-agent) _loopgate_names any ;;
        swarm-or-agent) _loopgate_names all ;;
        swarm) _loopgate_names swarms ;;
        member) [[ -n $swarm ]] && _loopgate_names members "$swarm" ;;
        variable) _loopgate_take $(compgen -e) ;;
        program) _loopgate_program "$i" ;;
    esac
}

complete -F _loopgate loopgate
