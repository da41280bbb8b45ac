# What these agents share: reading what they are told.
#
# Each line on stdin is one JSON object, {"type":"task","from":"orchestrator","content":"..."} or
# {"type":"message","from":"front","content":"..."}. The next one comes when the turn was ended.

# Waits for a line and cuts its text out, as it stands there: with JSON's escapes, so that it may be put between quotes
# again as it is. Ends with 1 when there will be no more.
next_text() {
    while IFS= read -r line; do
        case $line in
            *'"content":"'*) ;;
            *) turn_complete && continue ;;
        esac
        rest=${line#*'"content":"'}
        text=
        # up to the quote that no backslash stands before, or an even number of them
        while :; do
            part=${rest%%'"'*}
            rest=${rest#"$part"\"}
            text=$text$part
            slashes=${part##*[!\\]}
            [ $((${#slashes} % 2)) -eq 1 ] || return 0
            text=$text\"
        done
    done
    return 1
}

# Ends the turn: a word on a line of its own.
turn_complete() {
    echo '<<TURN_COMPLETE>>'
}
