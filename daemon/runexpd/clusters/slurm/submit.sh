# Submits each once: arguments STOPS, then TOKEN DIRECTORY SCRIPT NAME OUTPUT_DIR ERROR_DIR PARTITION ACCOUNT CHDIR, and so
# on by nines. From NAME on each may be empty. STOPS: after an error that matches, no more are begun.
# Prints, for each, its token, and what became of it: `done CODE` (sbatch's) with what sbatch wrote to both its outputs,
# `refused` (here, before sbatch was asked), `locked` (somebody is or was at it), `withdrawn` (by resolve.sh), or `later` (not
# begun).
# Goes on when the connection dies: the receipt, written before anything is printed, then tells.
# One process a job, sbatch: everything else is the shell's own.
trap '' HUP PIPE
unset RUNEXP_LEFT_OUT # sbatch hands the environment on to the job
# Private, though the umask is the user's own: sbatch hands it on to the job.
[ -d "$spool" ] || mkdir -m 700 "$spool" || [ -d "$spool" ] || exit 1
spool=$(cd "$spool" && pwd -P) || exit 1
# From a token's directory up to the root: spool/TOKEN/../../..  names the root, and the token with it.
up=.. rest=$spool
while [ -n "$rest" ]; do up=$up/.. rest=${rest%/*}; done

answer() { # answer TOKEN: from its receipt
  told "$spool/$1"
  say "$1" "${what:-locked}" "$us$us$us$us$us" "$out" "$err"
}

rooms() { # rooms TOKEN ...: the tokens' directories, in one process
  count=$#
  while [ "$count" -ge 9 ]; do
    set -- "$@" "$spool/$1"
    shift 9
    count=$((count - 9))
  done
  mkdir -p "$@" 2>/dev/null
}

ready() { # ready CHDIR OUTPUT_DIR ERROR_DIR: what has to be there, made where that is right; its words on stderr
  if [ -n "$1" ] && [ ! -d "$1" ]; then
    echo "--chdir=$1: no such directory; Slurm would run the job in /tmp" >&2
    return 1
  fi
  output "$2" "$1" && output "$3" "$1"
}

output() { # output DIRECTORY CHDIR: for outputs, made below a directory that the job is in anyway, never in place of one
  if [ -z "$1" ] || [ -d "$1" ]; then return; fi
  case $1 in
    /*) there=$1 ;;
    *) there=$PWD/$1 ;;
  esac
  set -- "$there" "$2"
  while [ -n "$there" ] && [ ! -e "$there" ] && [ ! -L "$there" ]; do there=${there%/*}; done
  if [ ! -d "${there:-/}" ]; then
    echo "no directory for its output: $there is not a directory" >&2
    return 1
  fi
  real=$(cd "${there:-/}" && pwd -P) || return
  for base in . ${2:+"$2"}; do
    base=$(cd "$base" && pwd -P) || continue
    case ${1#"$there"}/ in
      */../*) ;;
      *)
        case $real/ in
          "${base%/}"/*)
            mkdir -p "$1"
            return ;;
        esac ;;
    esac
  done
  echo "no directory for its output: $1 isn't there, and is made only below the work directory" >&2
  return 1
}

born $$
stops=$1 stopped=
shift
rooms "$@"
while [ $# -ge 9 ]; do
  token=$1 directory=$2 script=$3 name=$4 out=$5 err=$6 partition=$7 account=$8 chdir=$9
  shift 9
  room=$spool/$token
  if [ -n "$stopped" ] && [ ! -e "$room/lock" ]; then
    say "$token" later "$us$us$us$us$us" "" "$stopped"
    continue
  fi
  set -C # the lock: only one of all who ask makes this file
  if { printf '%s\n' "$$ $born $host" "${chdir:-$directory}" "$name" >"$room/lock"; } 2>/dev/null; then
    set +C
    if { cd "$directory" && ready "$chdir" "$out" "$err"; } 2>"$room/err"; then
      sbatch --parsable ${name:+"--job-name=$name"} ${partition:+"--partition=$partition"} \
        ${account:+"--account=$account"} "$room/$up$script" >"$room/out" 2>"$room/err" </dev/null
      code=$?
      printf 'done %s\n' "$code" >"$room/receipt"
    else
      code=0
      printf 'refused\n' >"$room/receipt"
    fi
    if [ "$code" != 0 ] && grep -qE "$stops" "$room/err"; then
      text "$room/err"
      stopped=$line
    fi
  fi
  set +C
  if [ -e "$room/lock" ]; then
    answer "$token"
  else
    say "$token" later "$us$us$us$us$us" "" "$spool can not be written to"
  fi
done
