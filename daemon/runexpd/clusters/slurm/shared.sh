# What the scripts here have in common: they begin with it. Rooms are the tokens' directories, in ~/.runexp.
us=$(printf '\037') rs=$(printf '\036')
host=$(uname -n)
spool=$HOME/.runexp

queue() { # what the queue has of this user's jobs; the name comes last, since it may hold anything
  SLURM_TIME_FORMAT=%s timeout 30 squeue -h -a -t all -u "$(id -un)" \
    -o "%i$us%T$us%r$us%S$us%V$us%u$us%Z$us%o$us%j"
}

accounting() { # accounting OPTION ...: sacct's rows; alone of all it takes no cluster from the environment
  SLURM_TIME_FORMAT=%s timeout 30 sacct ${SLURM_CLUSTERS:+"--clusters=$SLURM_CLUSTERS"} -n -P --delimiter="$us" "$@"
}

born() { # born PID: when it was started, in $born; empty where it is over (a zombie is)
  born=
  { IFS= read -r line <"/proc/$1/stat"; } 2>/dev/null || return
  set -- ${line##*) }
  [ "$1" = Z ] || born=${20}
}

text() { # text FILE: its lines in one, each with a record separator behind it, in $line
  line=
  { while IFS= read -r part || [ -n "$part" ]; do line="$line$part$rs"; done <"$1"; } 2>/dev/null
}

told() { # told ROOM: what its receipt says, in $what; and what sbatch wrote, in $out and $err
  what= out= err=
  { IFS= read -r what <"$1/receipt"; } 2>/dev/null
  case $what in
    "done "*)
      text "$1/out"
      out=$line
      text "$1/err"
      err=$line ;;
    refused)
      text "$1/err"
      err=$line ;;
  esac
}

place() { # place ROOM: who submitted it, when, as what and from where, in $place; and its lock's own words
  pid= since= at= directory= name=
  { { read -r pid since at && IFS= read -r directory && IFS= read -r name; } <"$1/lock"; } 2>/dev/null
  set -- $(stat -c %Y "$1/lock" "$1/receipt" 2>/dev/null)
  real=$([ -z "$directory" ] || { cd "$directory" && pwd -P; } 2>/dev/null)
  begun=${1:-$now} place=$1$us$2$us$me$us$name$us$directory$us$real
}

say() { # say TOKEN WHAT PLACE OUT ERR
  printf '%s\n' "$1$us$2$us$3$us$4$us$5"
}
