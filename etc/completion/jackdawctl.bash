# bash completion for jackdawctl(1): the server itself says what may come.
_jackdawctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} i=1
    local -a global=()
    COMPREPLY=()
    while ((i < COMP_CWORD)); do
        case ${COMP_WORDS[i]} in
        -s | --socket) global+=(--socket "${COMP_WORDS[i + 1]}"); ((i += 2)) ;;
        --socket=*) global+=("${COMP_WORDS[i]}"); ((i++)) ;;
        -*) ((i++)) ;;
        *) break ;;
        esac
    done
    case $prev in
    -s | --socket | --ca) mapfile -t COMPREPLY < <(compgen -f -- "$cur") && return ;;
    esac
    if ((i >= COMP_CWORD)) && [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "--socket --json --help --version" -- "$cur")
        return
    fi
    mapfile -t COMPREPLY < <("${COMP_WORDS[0]}" "${global[@]}" --complete -- \
        "${COMP_WORDS[@]:i:COMP_CWORD-i+1}" 2>/dev/null)
}
complete -o default -F _jackdawctl jackdawctl
