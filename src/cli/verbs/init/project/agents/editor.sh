#!/bin/sh
# Collects the verdicts, and numbers them: the counter `tally` is asked, and answers at once with {"count":1}. Here that
# is done with loopgate itself, which is in every agent's PATH and knows who it is.
. "${0%/*}/lib.sh"

while next_text; do
    number=$(loopgate ask tally add </dev/null | tr -dc 0-9)
    printf '{"type":"output","content":"verdict %s: %s"}\n' "$number" "$text"
    turn_complete
done
