# shellcheck shell=bash
# bash completion for podloginctl(8). Commands and options are those that --help prints.

_podloginctl_words()
{
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

# Asks the running daemon, at the socket of the command line.
_podloginctl_ask()
{
    local i socket=()
    for ((i = 1; i + 1 < ${#COMP_WORDS[@]}; i++)); do
        [ "${COMP_WORDS[i]}" != --socket ] || socket=(--socket "${COMP_WORDS[i + 1]}")
    done
    timeout 2 "$program" "$@" "${socket[@]}" 2>/dev/null
}

# The names of services: those of the running daemon, or the files of the configuration.
_podloginctl_services()
{
    local i directory=/etc/podlogin names
    for ((i = 1; i + 1 < ${#COMP_WORDS[@]}; i++)); do
        [ "${COMP_WORDS[i]}" != --config ] || directory=${COMP_WORDS[i + 1]}
    done
    names=$(_podloginctl_ask status | awk '/^SERVICE /{found = 1; next} /^$/{found = 0} found{print $1}')
    if [ "$names" ]; then
        echo "$names"
    else
        compgen -G "$directory/services.d/*.conf" | sed 's|.*/||; s|\.conf$||'
    fi
}

# The names of issuers: the files of the configuration.
_podloginctl_issuers()
{
    local i directory=/etc/podlogin
    for ((i = 1; i + 1 < ${#COMP_WORDS[@]}; i++)); do
        [ "${COMP_WORDS[i]}" != --config ] || directory=${COMP_WORDS[i + 1]}
    done
    compgen -G "$directory/issuers.d/*.conf" | sed 's|.*/||; s|\.conf$||'
}

# The column of the table of cached tokens.
_podloginctl_cached()
{
    _podloginctl_ask cache list | awk -v column="$1" 'NR > 1 && $column != "-" {print $column}' | sort -u
}

_podloginctl()
{
    local program=$1 current=${COMP_WORDS[COMP_CWORD]} previous=$3 command=${COMP_WORDS[1]} help
    if [ "$COMP_CWORD" = 1 ]; then
        help=$("$program" --help 2>/dev/null)
        _podloginctl_words "$(sed -nE 's/^  ([a-z][a-z-]*) .*/\1/p; s/^  (--help), -h; (--version).*/\1 \2/p' <<<"$help")" "$current"
        return
    fi
    help=$("$program" "$command" --help 2>/dev/null)
    if [[ $previous == --* && $help == *$'\n'"  $previous "[A-Z]* ]]; then # an option with a value
        case $previous in
        --config | --exchanger-sockets) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
        --access-token-file | --exchanger | --jwks | --policies | --socket | --token-file) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
        --service) _podloginctl_words "$(_podloginctl_services)" "$current" ;;
        --serviceaccount) _podloginctl_words "$(_podloginctl_cached 3)" "$current" ;;
        --user) mapfile -t COMPREPLY < <(compgen -u -- "$current") ;;
        --algorithms) _podloginctl_words "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512" "$current" ;;
        esac
        return
    fi
    if [[ $current == -* ]]; then
        _podloginctl_words "$(sed -nE 's/^  (--[a-z][a-z-]*).*/\1/p' <<<"$help")" "$current"
    elif [ "$command" = cache ] && [ "$COMP_CWORD" = 2 ]; then
        _podloginctl_words "$(sed -nE 's/.*podloginctl cache ([a-z]+).*/\1/p' <<<"$help")" "$current"
    elif [ "$command" = cache ] && [[ ${COMP_WORDS[2]} == @(show|purge) ]]; then
        _podloginctl_words "$(_podloginctl_cached 1)" "$current"
    elif [ "$command" = issuer ] && [ "$COMP_CWORD" = 2 ]; then
        _podloginctl_words "$(sed -nE 's/^podloginctl issuer ([a-z]+).*/\1/p' <<<"$help" | sort -u)" "$current"
    elif [ "$command" = issuer ] && [ "$COMP_CWORD" = 3 ] && [[ ${COMP_WORDS[2]} == @(policy|print) ]]; then
        _podloginctl_words "$(sed -nE "s/^podloginctl issuer ${COMP_WORDS[2]} ([a-z]+).*/\\1/p" <<<"$help")" "$current"
    elif [ "$command" = issuer ]; then
        _podloginctl_words "$(_podloginctl_issuers)" "$current"
    elif [ "$command" = check-config ]; then
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
    fi
}

complete -o filenames -F _podloginctl podloginctl
