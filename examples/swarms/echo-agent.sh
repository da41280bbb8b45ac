#!/bin/sh
# The smallest agent: it answers each task and message with the text that came, and passes it on to whom it can reach.
# It speaks the protocol of docs/swarms.md with nothing but sh: each line on stdin is a JSON object,
# {"type":"task","from":...,"content":...} or {"type":"message",...}, and each line that it prints is one too. The text is
# cut out of the line and printed as it stood there, escapes included: what was JSON stays JSON.

# SWARM_TOPOLOGY says whom it can reach: {"agent":"a","objects":["counter"],"targets":["b"]}
after() { case $SWARM_TOPOLOGY in *"\"$1\":[\""*) rest=${SWARM_TOPOLOGY#*"\"$1\":[\""}; echo "${rest%%'"'*}" ;; esac; }
next=$(after targets)
object=$(after objects)

while IFS= read -r line; do
    case $line in
        *'"content":"'*) content=${line#*'"content":"'} ;;
        *) continue ;;
    esac
    # up to the quote that no backslash stands before, or an even number of them
    text=
    while :; do
        part=${content%%'"'*}
        content=${content#"$part"\"}
        text=$text$part
        slashes=${part##*[!\\]}
        [ $((${#slashes} % 2)) -eq 1 ] || break
        text=$text\"
    done
    printf '{"type":"output","content":"%s: %s"}\n' "${LOOPGATE_AGENT#*/}" "$text"
    [ -z "$object" ] || printf '{"type":"send","to":"%s","content":"%s"}\n' "$object" "$text"
    [ -z "$next" ] || printf '{"type":"send","to":"%s","content":"%s"}\n' "$next" "$text"
    # A turn ends with this word on a line of its own: the next message comes only then.
    echo '<<TURN_COMPLETE>>'
done
