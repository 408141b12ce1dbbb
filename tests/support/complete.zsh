# Drives the completion of an interactive zsh: `zsh complete.zsh FUNCTIONS LINE` prints the words that it offers at the
# end of LINE. FUNCTIONS is the directory of the completion functions.
zmodload zsh/zpty || exit 1
export FUNCTIONS=$1 ANSWERS=$(mktemp) TERM=dumb

zpty shell zsh -f -i
# compadd notes what it adds; calls that only sort matches out are left alone
zpty -w shell 'PS1=; setopt no_auto_list no_auto_menu; fpath=($FUNCTIONS $fpath); autoload -Uz compinit; compinit -D -u
compadd() {
    local -a got
    [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]] || { builtin compadd -A got "$@"; print -rl -- $got >>$ANSWERS }
    builtin compadd "$@"
}
complete() {
    zle complete-word
    print "(end)" >>$ANSWERS
}
zle -N complete; bindkey "^I" complete
print "(ready)" >>$ANSWERS'
wait_for() {
    until grep -qF "$1" $ANSWERS; do sleep 0.02; done
}
wait_for "(ready)"
: >$ANSWERS
zpty -w -n shell "$2"$'\t'
wait_for "(end)"
zpty -d shell
grep -vF "(end)" $ANSWERS
rm -f $ANSWERS
