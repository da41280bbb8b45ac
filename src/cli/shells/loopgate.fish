# Completions of loopgate for fish.
# Once: loopgate completions fish > ~/.config/fish/completions/loopgate.fish

function __loopgate_values -a verb # the flags of a command that take a value
    set -l takes
    switch "$verb"
@VALUES@
    end
    printf '%s\n' $takes
end

function __loopgate_kinds -a verb # what the operands of a command are
    set -l kinds
    switch "$verb"
@OPERANDS@
    end
    printf '%s\n' $kinds
end

# What stands before the cursor: the command, then its operands; with --rest the words from the operand on at
# which another command line begins. Fails where a flag waits for its value.
function __loopgate_words
    set -l words (commandline -opc)
    set -e words[1]
    set -l verb $words[1]
    set -e words[1]
    test -n "$verb"; or return 0
    string match -q -- '-*' $verb; and return 1
    set -l takes (__loopgate_values $verb)
    set -l kinds (__loopgate_kinds $verb)
    set -l found $verb
    set -l ended
    while set -q words[1]
        set -l word $words[1]
        if test -z "$ended"; and test "$word" = --
            set ended 1
        else if test -z "$ended"; and string match -q -- '--*' $word
            if contains -- $word $takes
                set -q words[2]; or return 1
                set -e words[1]
            end
        else if test -z "$ended"; and string match -qr -- '^-.' $word
            set -l letters (string split '' -- (string sub -s 2 -- $word))
            for at in (seq (count $letters))
                if contains -- -$letters[$at] $takes
                    if test $at = (count $letters)
                        set -q words[2]; or return 1
                        set -e words[1]
                    end
                    break
                end
            end
        else
            set -l at (count $found)
            if test "$kinds[$at]" = program...
                test "$argv[1]" = --rest; and printf '%s\n' $words; and return 0
                set found $found $words
                break
            end
            set found $found $word
        end
        set -e words[1]
    end
    test "$argv[1]" = --rest; or printf '%s\n' $found
end

function __loopgate_begins # no command stands there yet
    set -l words (__loopgate_words); or return 1
    test -z "$words[1]"
end

function __loopgate_in # COMMANDS: it is one of these, and its own flags may follow
    set -l words (__loopgate_words --rest)
    test -z "$words[1]"; or return 1
    set -l all (commandline -opc)
    contains -- "$all[2]" $argv; and not contains -- -- $all
end

function __loopgate_at # NUMBER COMMANDS: it is one of these, and this operand is next
    set -l words (__loopgate_words); or return 1
    test (count $words) = (math $argv[1] + 1); and contains -- "$words[1]" $argv[2..-1]
end

function __loopgate_next # what the next operand is
    set -l words (__loopgate_words); or return 1
    set -q words[1]; or return 1
    set -l kinds (__loopgate_kinds $words[1])
    set -l at (count $words)
    if set -q kinds[$at]
        string replace ... '' -- $kinds[$at]
    else if set -q kinds[-1]; and string match -q '*...' -- $kinds[-1]
        string replace ... '' -- $kinds[-1]
    else
        return 1
    end
end

function __loopgate_next_is
    contains -- (__loopgate_next) $argv
end

function __loopgate_names # KIND [SWARM]: names that the running instance knows
    command loopgate names $argv 2>/dev/null </dev/null | string match -r '^[A-Za-z0-9_][A-Za-z0-9_/-]*$'
end

function __loopgate_offer -a kind
    switch "$kind"
        case agent
            __loopgate_names agents
        case any-agent
            __loopgate_names any
        case swarm-or-agent
            __loopgate_names all
        case swarm
            __loopgate_names swarms
        case member
            set -l words (__loopgate_words)
            set -q words[2]; and __loopgate_names members $words[2]
        case file-or-swarm
            __loopgate_names swarms
            __fish_complete_path (commandline -ct)
        case directory
            __fish_complete_directories (commandline -ct) ''
        case file
            __fish_complete_path (commandline -ct)
        case variable
            set -xn
        case verb
            printf '%s\n' @NAMES@
        case program
            set -l rest (__loopgate_words --rest)
            set -l line (string escape -- $rest) (commandline -ct)
            complete -C (string join ' ' -- $line)
    end
end

complete -c loopgate -f
complete -c loopgate -n __loopgate_begins -s h -l help -d 'Explain it'
complete -c loopgate -n __loopgate_begins -s v -l version -d 'Print the version'
complete -c loopgate -n 'not __loopgate_begins; and not __loopgate_next_is program' -s h -l help -d 'Explain it'
@VERBS@
@COMMANDS@
complete -c loopgate -n 'not __loopgate_next_is word text' -f -a '(__loopgate_offer (__loopgate_next))'
