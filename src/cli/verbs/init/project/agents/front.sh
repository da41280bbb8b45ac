#!/bin/sh
# Gets the tasks, and sends each along all of its edges at once: a broadcast.
. "${0%/*}/lib.sh"

while next_text; do
    printf '{"type":"broadcast","content":"%s"}\n' "$text"
    printf '{"type":"output","content":"handed on: %s"}\n' "$text"
    turn_complete
done
