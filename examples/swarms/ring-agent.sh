#!/bin/sh
# One place of a ring: passes a token on until it has made as many hops as it says.
# It speaks the protocol of docs/swarms.md with nothing but sh: each line on stdin is a JSON object, {"type":"message",
# "from":...,"content":"token 3 50"} say, and what it sends is one too. The words of a token are numbers and never hold a
# quote, so that cutting the line is reading it.
#
#     loopgate start examples/swarms/ring.json && loopgate task ring place_1 "token 0 50"

# SWARM_TOPOLOGY says whom it can reach: {"agent":...,"objects":[],"targets":["place_2"]}
next=${SWARM_TOPOLOGY#*'"targets":["'}
next=${next%%'"'*}

while IFS= read -r line; do
    content=${line#*'"content":"'}
    content=${content%%'"'*}
    set -f
    set -- $content
    if [ "$1" = token ] && [ "$2" -lt "$3" ]; then
        printf '{"type":"send","to":"%s","content":"token %d %d"}\n' "$next" $(($2 + 1)) "$3"
    elif [ "$1" = token ]; then
        printf '{"type":"output","content":"the token made %d hops and is here"}\n' "$2"
    else
        printf '{"type":"output","content":"give me: token 0 50"}\n'
    fi
    # A turn ends with this word on a line of its own: the next message comes only then.
    echo '<<TURN_COMPLETE>>'
done
