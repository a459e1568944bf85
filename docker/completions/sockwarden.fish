# Completion of sockwarden for fish. Commands, options and their values are read from the program's own
# --help, so this file knows none of them.

# The options of a command with what they take, one a line: "--policy FILE".
function __sockwarden_options
    sockwarden $argv[1] --help 2>/dev/null |
        sed -n -e 's/^sockwarden [^[]*\[\(--[^]]*\)\].*/\1/p' -e '/^ *-/{s/^ *//;s/^-[A-Za-z], //;s/  .*//;p;}' |
        sed 's/([^)]*)//g;s/, */\n/g' | sed -n 's/ *$//;/^--/p' | sort -u
end

function __sockwarden_roles
    sockwarden roles 2>/dev/null | sed 's/^builtin://'
end

function __sockwarden_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l command serve
    set -l previous $before[-1]
    if test (count $before) -gt 1; and not string match -q -- '-*' $before[2]
        set command $before[2]
    end
    if test (count $before) -eq 1; and not string match -q -- '-*' $current
        sockwarden --help 2>/dev/null | sed -n 's/^  sockwarden \[\{0,1\}\([a-z][a-z]*\).\{1,46\}  *\(.*\)/\1\t\2/p'
        return
    end

    test "$previous" = -H; and set previous --host
    set -l taken
    if string match -q -- '--*' $previous
        set taken (__sockwarden_options $command | string replace -f -r -- "^$previous (.+)" '$1')
    end
    if test -n "$taken"; and test "$previous" = --role
        __sockwarden_roles
    else if string match -q -r -- '^(FILE|PATH)' "$taken"
        __fish_complete_path $current
    else if string match -q -- '*|*' "$taken"
        string split '|' $taken
    else if test -n "$taken"
        return
    else if string match -q -- '-*' $current
        __sockwarden_options $command | string replace -r ' .*' ''
        echo --help
        test (count $before) -eq 1; and echo --version
    else if test "$command" = audit; and test (count $before) -eq 2
        echo verify
    else if test "$command" = roles
        __sockwarden_roles
    else
        __fish_complete_path $current
    end
end

complete -c sockwarden -f -a '(__sockwarden_complete)'
