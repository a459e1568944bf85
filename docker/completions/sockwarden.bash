# Completion of sockwarden for bash. Commands, options and their values are read from the program's own
# --help, so this file knows none of them.

# The commands, one a line.
_sockwarden_commands() {
    "$1" --help 2>/dev/null | sed -n 's/^  sockwarden \[\{0,1\}\([a-z][a-z]*\).*/\1/p'
}

# The options of command $2 with what they take, one a line: "--policy FILE".
_sockwarden_options() {
    "$1" "$2" --help 2>/dev/null |
        sed -n -e 's/^sockwarden [^[]*\[\(--[^]]*\)\].*/\1/p' -e '/^ *-/{s/^ *//;s/^-[A-Za-z], //;s/  .*//;p;}' |
        sed 's/([^)]*)//g;s/, */\n/g' | sed -n 's/ *$//;/^--/p' | sort -u
}

_sockwarden_roles() {
    "$1" roles 2>/dev/null | sed 's/^builtin://;s/[[:space:]].*//'
}

_sockwarden() {
    local program=$1 current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local command=serve word taken
    COMPREPLY=()
    # bash cuts --option=value at the sign.
    if [ "$current" = = ]; then
        current=
    elif [ "$previous" = = ]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if [ "$COMP_CWORD" -gt 1 ] && [[ ${COMP_WORDS[1]} != -* ]]; then
        command=${COMP_WORDS[1]}
    fi
    if [ "$COMP_CWORD" -eq 1 ] && [[ $current != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_sockwarden_commands "$program")" -- "$current")
        return
    fi

    [ "$previous" != -H ] || previous=--host
    taken=
    while read -r word taken; do
        [ "$word" != "$previous" ] || break
        taken=
    done < <([[ $previous != --* ]] || _sockwarden_options "$program" "$command")

    case $command:$previous:$taken in
    *:--role:*) word=$(_sockwarden_roles "$program") ;;
    *:FILE | *:PATH*) word= ;;
    *:*'|'*) word=${taken//|/ } ;;
    *:*:?*) return ;;
    *)
        if [[ $current == -* ]]; then
            word=$(_sockwarden_options "$program" "$command" | sed 's/ .*//')$'\n--help'
            [ "$COMP_CWORD" -gt 1 ] || word+=$'\n--version'
        elif [ "$command:$previous" = audit:audit ]; then
            word=verify
        elif [ "$command" = roles ]; then
            word=$(_sockwarden_roles "$program")
        else
            word=
        fi
        ;;
    esac
    if [ -n "$word" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$word" -- "$current")
    else
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}
complete -F _sockwarden sockwarden
