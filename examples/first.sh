#!/bin/sh
# An agent for `loopgate demo`: reads lines from its terminal and passes each one on to the agent
# named second. It needs no network and no model; a coding agent would think at this place.
# Its token is in its environment, where the instance put it; `loopgate send` finds it there.

echo "first: ready"
while IFS= read -r line; do
    # an empty line is somebody pressing Enter
    [ -n "$line" ] || continue
    echo "first: I was told: $line"
    loopgate send second "please note: $line" || echo "first: sending failed with exit code $?"
done
