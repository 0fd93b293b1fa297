# Submits each once: arguments STOPS, then TOKEN DIRECTORY SCRIPT NAME OUTPUT_DIR ERROR_DIR PARTITION ACCOUNT, and so on
# by eights. From NAME on each may be empty. STOPS: after an error that matches, no more are begun.
# Prints, for each, TOKEN <unit separator> WHAT <unit separator> TEXT: `id`, `error CODE`, `locked` (somebody is or was
# at it), `withdrawn` (by resolve.sh), or `later` (not begun).
# Goes on when the connection dies: the receipt, written before anything is printed, then tells.
# One process a job, sbatch: everything else is the shell's own.
trap '' HUP PIPE
us=$(printf '\037')
host=$(uname -n)
spool=$HOME/.runexp
# Private, though the umask is the user's own: sbatch hands it on to the job.
[ -d "$spool" ] || mkdir -m 700 "$spool" || [ -d "$spool" ] || exit 1
spool=$(cd "$spool" && pwd -P) || exit 1
# From a token's directory up to the root: spool/TOKEN/../../..  names the root, and the token with it.
up=.. rest=$spool
while [ -n "$rest" ]; do up=$up/.. rest=${rest%/*}; done

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
  { IFS= read -r receipt <"$spool/$1/receipt"; } 2>/dev/null
  case $receipt in
    "done 0")
      text "$spool/$1/out"
      printf '%s%sid%s%s\n' "$1" "$us" "$us" "$line" ;;
    "done "*)
      text "$spool/$1/err"
      printf '%s%serror %s%s%s\n' "$1" "$us" "${receipt#done }" "$us" "$line" ;;
    withdrawn) printf '%s%swithdrawn%s\n' "$1" "$us" "$us" ;;
    *) printf '%s%slocked%s\n' "$1" "$us" "$us" ;;
  esac
}

rooms() { # rooms TOKEN ...: directories, in one process: the tokens' own, and those of the outputs
  count=$#
  while [ "$count" -ge 8 ]; do
    set -- "$@" "$spool/$1" ${5:+"$5"} ${6:+"$6"}
    shift 8
    count=$((count - 8))
  done
  mkdir -p "$@" 2>/dev/null
}

outputs() { # outputs OUTPUT_DIR ERROR_DIR: again where it failed, for the words
  for dir; do
    [ -z "$dir" ] || [ -d "$dir" ] || mkdir -p "$dir" || return
  done
}

born $$
stops=$1 stopped=
shift
rooms "$@"
while [ $# -ge 8 ]; do
  token=$1 directory=$2 script=$3 name=$4 out=$5 err=$6 partition=$7 account=$8
  shift 8
  room=$spool/$token
  if [ -n "$stopped" ] && [ ! -e "$room/lock" ]; then
    printf '%s%slater%s%s\n' "$token" "$us" "$us" "$stopped"
    continue
  fi
  set -C # the lock: only one of all who ask makes this file
  if { printf '%s %s %s\n' "$$" "$born" "$host" >"$room/lock"; } 2>/dev/null; then
    set +C
    if { outputs "$out" "$err" && cd "$directory"; } 2>"$room/err"; then
      sbatch --parsable ${name:+"--job-name=$name"} ${partition:+"--partition=$partition"} \
        ${account:+"--account=$account"} "$room/$up$script" >"$room/out" 2>"$room/err" </dev/null
      code=$?
    else
      code=1
    fi
    printf 'done %s\n' "$code" >"$room/receipt"
    if [ "$code" != 0 ] && grep -qE "$stops" "$room/err"; then
      text "$room/err"
      stopped=$line
    fi
  fi
  set +C
  if [ -e "$room/lock" ]; then
    answer "$token"
  else
    printf '%s%slater%s%s can not be written to\n' "$token" "$us" "$us" "$spool"
  fi
done
