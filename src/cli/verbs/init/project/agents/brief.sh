#!/bin/sh
# Is it short? Counts the words, and tells the editor: a message along one edge, on stdout.
. "${0%/*}/lib.sh"
most=12

while next_text; do
    set -f
    set -- $text
    if [ $# -le $most ]; then
        verdict="brief: yes, $# words"
    else
        verdict="brief: no, $# words and not $most"
    fi
    printf '{"type":"send","to":"editor","content":"%s"}\n' "$verdict"
    turn_complete
done
