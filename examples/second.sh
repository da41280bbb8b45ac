#!/bin/sh
# An agent for `loopgate demo`: shows each line that is typed into its terminal, with its number.
# What another agent sends arrives as `@name: text`, typed, because it was started with
# accept_typed_from naming that agent.

echo "second: ready"
count=0
while IFS= read -r line; do
    [ -n "$line" ] || continue
    count=$((count + 1))
    echo "second: message $count reads: $line"
done
