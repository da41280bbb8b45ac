#!/bin/sh
# A message outlives the instance: sent to an agent that nobody has started, kept by an instance that
# is killed, read once by the agent when it comes, and acknowledged. It needs `loopgate` in PATH and
# nothing else, and leaves nothing behind: everything happens in one temporary directory.
#
#     PATH="$PWD/target/release:$PATH" sh examples/third.sh

set -eu
directory=$(mktemp -d)
export LOOPGATE_HOME="$directory/home"
unset LOOPGATE_AGENT_TOKEN LOOPGATE_URL LOOPGATE_AGENT

serve() {
    loopgate serve 2>>"$directory/log" &
    instance=$!
    until loopgate status >/dev/null 2>&1; do
        kill -0 "$instance" # it lives
    done
}

end() {
    kill "$instance" 2>/dev/null || :
    wait "$instance" 2>/dev/null || :
    rm -rf "$directory"
}

serve
trap end EXIT

echo "1. A message for night, whom nobody has started:"
loopgate send --id build-17 night "the build is green"
loopgate send --id build-17 night "the build is green" # once more: the id is one message

echo "2. The instance is killed, and another one starts in its place."
kill -9 "$instance"
wait "$instance" 2>/dev/null || :
serve

echo "3. It still waits:"
loopgate inbox night

echo "4. night starts, reads, acknowledges, and looks again:"
loopgate run --name night -- sh -c '
    echo "night reads:"
    loopgate inbox
    loopgate ack build-17
    echo "night looks again:"
    loopgate inbox
    echo "night is done"' >/dev/null
until loopgate api GET /api/v1/agents/night/output >"$directory/output" && grep -q "night is done" "$directory/output"; do
    loopgate status >/dev/null
done
cat "$directory/output"

echo "5. What became of it:"
loopgate message build-17
