#!/bin/sh
# Is it plain? Looks for the words that its skill names, and tells the editor through its outbox: a file, written beside
# its place and renamed. That is a way for programs that have no use for their stdout.
. "${0%/*}/lib.sh"
skill=${0%/*}/../skills/plain-words.md
letters=0

while next_text; do
    better=
    # the lines "- word: another word"
    while IFS=' :' read -r dash word other; do
        [ "$dash" = - ] || continue
        case " $text " in
            *"$word"*) better="$better, $other for $word" ;;
        esac
    done < "$skill"
    verdict="plain: ${better:+no${better}}"
    [ -n "$better" ] || verdict="plain: yes"
    letters=$((letters + 1))
    printf '{"to":"editor","content":"%s"}\n' "$verdict" > "$OUTBOX_DIR/.tmp_$letters"
    mv "$OUTBOX_DIR/.tmp_$letters" "$OUTBOX_DIR/$letters.json"
    turn_complete
done
