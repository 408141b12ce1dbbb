# shellcheck shell=bash
# bash completion for podlogin(1). Commands and options are those that --help prints.

# The services that this pod may use.
_podlogin_services()
{
    "$program" whoami --timeout 1s 2>/dev/null | sed -n 's/^services *//p'
}

# Completes the command after "--": its name, or a file.
_podlogin_command()
{
    if [ "$COMP_CWORD" = $(($1 + 1)) ]; then
        mapfile -t COMPREPLY < <(compgen -c -- "$current")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}

_podlogin()
{
    local program=$1 current=${COMP_WORDS[COMP_CWORD]} previous=$3 command='' help i
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [ "${COMP_WORDS[i]}" = -- ]; then
            _podlogin_command "$i"
            return
        fi
        [[ -n $command || ${COMP_WORDS[i]} == -* ]] || command=${COMP_WORDS[i]}
    done
    help=$("$program" ${command:+"$command"} --help 2>/dev/null)
    if [[ $previous == --* && $help == *$'\n'"  $previous "[A-Z]* ]]; then # an option with a value
        case $previous in
        --service) mapfile -t COMPREPLY < <(compgen -W "$(_podlogin_services)" -- "$current") ;;
        --format) mapfile -t COMPREPLY < <(compgen -W 'sh dotenv json' -- "$current") ;;
        --socket | --token-file | --ready-file) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
        esac
    elif [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(sed -nE 's/^  (--[a-z-]+) .*/\1/p' <<<"$help")" -- "$current")
    elif [ -z "$command" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(sed -nE 's/^  ([a-z][a-z-]*) .*/\1/p' <<<"$help")" -- "$current")
    elif [[ $help == "podlogin "*" [SERVICE]"* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_podlogin_services)" -- "$current")
    elif [[ $help == "podlogin "*" DIR"* ]]; then
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
    fi
}

complete -o filenames -F _podlogin podlogin
