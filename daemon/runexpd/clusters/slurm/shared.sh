# What the scripts here have in common: they begin with it. Rooms are the tokens' directories, in ~/.runexp.
# In a room is one file, its lock, whose lines are: who made it (process, when that was born, host, and 2 for this form); where
# and as what the job runs; what sbatch wrote to its output; and the receipt: a record separator, what became of it, another
# one, and sbatch's lines on stderr, with one behind each.
us=$(printf '\037') rs=$(printf '\036')
host=$(uname -n)
spool=$HOME/.runexp

queue() { # what the queue has of this user's jobs; the name comes last, since it may hold anything
  SLURM_TIME_FORMAT=%s timeout 30 squeue -h -a -t all -u "$(id -un)" \
    -o "%i$us%T$us%r$us%S$us%V$us%u$us%B$us%Z$us%o$us%j"
}

accounting() { # accounting OPTION ...: sacct's rows; alone of all it takes no cluster from the environment
  SLURM_TIME_FORMAT=%s timeout 30 sacct ${SLURM_CLUSTERS:+"--clusters=$SLURM_CLUSTERS"} -n -P --delimiter="$us" "$@"
}

born() { # born PID: when it was started, in $born; empty where it is over (a zombie is)
  born=
  { IFS= read -r line <"/proc/$1/stat"; } 2>/dev/null || return
  set -- ${line##*")" }
  [ "$1" = Z ] || born=${20}
}

text() { # text FILE: its lines in one, each with a record separator behind it, in $line
  line=
  { while IFS= read -r part || [ -n "$part" ]; do line="$line$part$rs"; done <"$1"; } 2>/dev/null
}

told() { # told ROOM: its lock's own words, what became of it, in $what, and what sbatch wrote, in $out and $err
  pid= since= at= form= directory= name= what= out= err= part=
  { read -r pid since at form && IFS= read -r directory && IFS= read -r name && behind; } 2>/dev/null <"$1/lock"
  case $pid,$form in
    withdrawn,) what=withdrawn ;;
    *,) apart "$1" ;;
  esac
}

behind() { # what stands behind a lock's three lines: sbatch's own, and the receipt, which counts when its line is whole
  while IFS= read -r part; do
    case $part in
      "$rs"*)
        err=${part#"$rs"}
        what=${err%%"$rs"*} err=${err#*"$rs"} ;;
      *) out=$out$part$rs ;;
    esac
  done
  case $part in '' | "$rs"*) ;; *) out=$out$part$rs ;; esac
}

apart() { # apart ROOM: as an earlier runexpd left it, in files of their own
  { IFS= read -r what <"$1/receipt"; } 2>/dev/null
  text "$1/out"
  out=$line
  text "$1/err"
  err=$line
}

place() { # place ROOM, which was `told`: who submitted it, when, as what and from where, in $place
  if [ -z "$form" ]; then
    set -- "$1/lock" "$1/receipt"
  elif [ -n "$what" ]; then
    set -- "$1" "$1/lock" # nothing but its lock was ever made there; the receipt is what was written last
  fi
  set -- $(stat -c %Y "$@" 2>/dev/null)
  real=$([ -z "$directory" ] || { cd "$directory" && pwd -P; } 2>/dev/null)
  begun=${1:-$now} place=$1$us$2$us$me$us$name$us$directory$us$real
}

say() { # say TOKEN WHAT PLACE OUT ERR
  printf '%s\n' "$1$us$2$us$3$us$4$us$5"
}
