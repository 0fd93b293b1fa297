# Submits each once: arguments STOPS, then TOKEN DIRECTORY SCRIPT NAME OUTPUT_DIR ERROR_DIR PARTITION ACCOUNT, and so on by eights.
# From NAME on each may be empty. STOPS: after an error that matches, no more are begun.
# Prints, for each, TOKEN <unit separator> WHAT <unit separator> TEXT: `id`, `error CODE`, `locked`
# (somebody is or was at it), `withdrawn` (by resolve.sh), or `later` (not begun).
# Goes on when the connection dies: the receipt, written before anything is printed, then tells.
trap '' HUP PIPE
us=$(printf '\037')
host=$(uname -n)
# Private, though the umask is the user's own: sbatch hands it on to the job.
spool=$HOME/.runexp
[ -d "$spool" ] || mkdir -m 700 "$spool" || [ -d "$spool" ] || exit 1

born() { # born PID: when it was started, in $born; empty where it is over (a zombie is)
  born=
  { IFS= read -r line <"/proc/$1/stat"; } 2>/dev/null || return
  set -- ${line##*) }
  [ "$1" = Z ] || born=${20}
}

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
    withdrawn) printf '%s%swithdrawn%s\n' "$1" "$us" "$us" ;;
    *) printf '%s%slocked%s\n' "$1" "$us" "$us" ;;
  esac
}

outputs() { # outputs OUTPUT_DIR ERROR_DIR
  for dir; do
    [ -z "$dir" ] || [ -d "$dir" ] || mkdir -p "$dir" || return
  done
}

born $$
stops=$1 stopped=
shift
while [ $# -ge 8 ]; do
  token=$1 directory=$2 script=$3 name=$4 out=$5 err=$6 partition=$7 account=$8
  shift 8
  if [ -n "$stopped" ] && [ ! -L "$spool/$token" ]; then
    printf '%s%slater%s%s\n' "$token" "$us" "$us" "$stopped"
    continue
  fi
  if ln -s "$script" "$spool/$token" 2>/dev/null; then
    printf '%s %s %s\n' "$$" "$born" "$host" >"$spool/$token.pid"
    if { outputs "$out" "$err" && cd "$directory"; } 2>"$spool/$token.err"; then
      sbatch --parsable ${name:+"--job-name=$name"} ${partition:+"--partition=$partition"} \
        ${account:+"--account=$account"} "$spool/$token" >"$spool/$token.out" 2>"$spool/$token.err" </dev/null
      code=$?
    else
      code=1
    fi
    printf 'done %s\n' "$code" >"$spool/$token.receipt"
    if [ "$code" != 0 ] && grep -qE "$stops" "$spool/$token.err"; then
      text "$spool/$token.err"
      stopped=$line
    fi
  fi
  answer "$token"
done
