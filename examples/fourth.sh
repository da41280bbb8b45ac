#!/bin/sh
# Two instances find each other by one registry: an agent of the west asks an agent of the east, by name,
# and a message for somebody who is nowhere yet is held until he starts. It needs `loopgate` in PATH and
# nothing else, and leaves nothing behind: everything happens in one temporary directory.
#
#     PATH="$PWD/target/release:$PATH" sh examples/fourth.sh

set -eu
directory=$(mktemp -d)
export LOOPGATE_REGISTRY="$directory/registry"
unset LOOPGATE_AGENT_TOKEN LOOPGATE_URL LOOPGATE_AGENT

# east, west: a verb of one of the two
east() { LOOPGATE_HOME="$directory/east" loopgate "$@"; }
west() { LOOPGATE_HOME="$directory/west" loopgate "$@"; }

end() {
    kill $instances 2>/dev/null || :
    wait $instances 2>/dev/null || :
    rm -rf "$directory"
}

instances=
trap end EXIT
for side in east west; do
    LOOPGATE_HOME="$directory/$side" loopgate serve 2>>"$directory/log" &
    instances="$instances $!"
    until $side status >/dev/null 2>&1; do
        kill -0 $! # it lives
    done
done

# wait_for COMMAND...: tries it until it succeeds, at most 3,000 times
wait_for() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ $tries -lt 3000 ] || { echo "waited in vain for: $*" >&2; exit 1; }
    done
}

# shown SIDE AGENT TEXT: whether it is in the agent's terminal
shown() { $1 api GET "/api/v1/agents/$2/output" >"$directory/output" && grep -q "$3" "$directory/output"; }

found() { west peers | grep -q "$1"; }
forwarded() { west message "$1" | grep -q forwarded; }

echo "1. The clerk starts in the east, where it answers whoever asks:"
east run --name clerk -- sh -c '
    echo "clerk: ready"
    loopgate inbox --follow --json | while read -r message; do
        field() { printf "%s" "$message" | sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; }
        loopgate send --reply-to "$(field id)" "$(field from)" "it is filed under seven" >/dev/null
        echo "clerk: answered $(field from)"
    done'
wait_for shown east clerk "clerk: ready"

echo "2. The west finds it:"
wait_for found clerk
west peers

echo "3. An agent of the west asks it:"
west run --name visitor -- sh -c '
    loopgate ask clerk "where is the report?"
    echo "visitor is done"
    read -r wait'
wait_for shown west visitor "visitor is done"
cat "$directory/output"

echo "4. A message for night, who is nowhere yet:"
west send --id build-18 night "the build is green"

echo "5. night starts in the east, and has it:"
east run --name night -- sh -c '
    until loopgate inbox | grep "the build is green"; do :; done
    echo "night is done"
    read -r wait'
wait_for shown east night "night is done"
cat "$directory/output"

echo "6. What became of it, in the west:"
wait_for forwarded build-18
west message build-18
