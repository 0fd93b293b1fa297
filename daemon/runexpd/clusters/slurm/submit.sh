# Submits each once: arguments TOKEN DIRECTORY SCRIPT NAME, and so on by fours. NAME may be empty.
# Prints, for each, TOKEN <unit separator> WHAT <unit separator> TEXT: `id`, `error CODE`, or `locked`.
# Goes on when the connection dies: the receipt, written before anything is printed, then tells.
trap '' HUP PIPE
umask 077
us=$(printf '\037')
spool=$HOME/.runexp
[ -d "$spool" ] || mkdir -p "$spool" || exit 1

text() { # text FILE: its lines in one, in $line
  line=
  while IFS= read -r part || [ -n "$part" ]; do line="$line$part "; done <"$1"
}

answer() { # answer TOKEN: from its receipt
  receipt=
  { IFS= read -r receipt <"$spool/$1.receipt"; } 2>/dev/null
  case $receipt in
    "done 0")
      text "$spool/$1.out"
      printf '%s%sid%s%s\n' "$1" "$us" "$us" "$line" ;;
    "done "*)
      text "$spool/$1.err"
      printf '%s%serror %s%s%s\n' "$1" "$us" "${receipt#done }" "$us" "$line" ;;
    *) printf '%s%slocked%s\n' "$1" "$us" "$us" ;;
  esac
}

while [ $# -ge 4 ]; do
  token=$1 directory=$2 script=$3 name=$4
  shift 4
  if ln -s "$script" "$spool/$token" 2>/dev/null; then
    printf '%s %s\n' "$$" "$(uname -n)" >"$spool/$token.pid"
    if cd "$directory" 2>"$spool/$token.err"; then
      sbatch --parsable ${name:+"--job-name=$name"} "$spool/$token" \
        >"$spool/$token.out" 2>"$spool/$token.err" </dev/null
      code=$?
    else
      code=1
    fi
    printf 'done %s\n' "$code" >"$spool/$token.receipt"
  fi
  answer "$token"
done
