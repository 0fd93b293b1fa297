# A mark in the directory that is trained into, .runexp: whose job does, or did. Its lines are a token, the daemon's place, the mark's
# own path, `local` or `slurm`, where a local job's record is, and a Slurm job's id. clusters/local/marks.py makes and reads such, too.
# Who reads it has set: $token, what is to be submitted; $daemon, whose that is; $ends, states that are an end; $results, the
# directory, and $mark in it.
read_mark() { # read_mark MARK: its lines; nothing where it isn't a file
  owner= by= made= kind= record= id=
  [ ! -f "$1" ] || {
    IFS= read -r owner
    IFS= read -r by
    IFS= read -r made
    IFS= read -r kind
    IFS= read -r record
    IFS= read -r id
  } <<EOF
$(head -c 9999 "$1" 2>/dev/null)
EOF
}

anothers() { # whether it is: not of the same experiment of the same ledger, nor one that was made elsewhere, and copied
  [ "${owner%%-*}" != "${token%%-*}" ] && { [ ! -e "$made" ] || [ "$made" -ef "$mark" ]; }
}

under_way() { # whether its job is, or may be
  busy=
  case $kind in
    slurm) listed || return 0 ;;
    local)
      if [ -d "$record" ] && [ ! -e "$record/end.json" ]; then busy=yes; fi
      # Held by its keeper, wherever that runs.
      if command -v flock >/dev/null && ! flock -n "$mark" true; then busy=yes; fi ;;
  esac
  if [ -n "$busy" ]; then
    trains "wait for its end, end it there, or, if it is gone for good, remove $mark; \`runexp run\` then takes up what lies there"
    return 0
  fi
  [ -z "$id" ] && [ ! -e "$record" ] && [ -n "$(find "$mark" -mmin -10 2>/dev/null)" ] || return 1
  doubtful "its submission is on its way, or was refused; it is tried again"
  return 0
}

squeued() {
  timeout 30 squeue -h -a -t all $of -o "%T$us%o" 2>&1
}

listed() { # whether the queue has it, in $busy: by its id, and where that isn't known by its token
  case $id in *[!0-9]*) id= ;; esac
  of="-j $id"
  [ -n "$id" ] || of="-u $(id -un)"
  rows=$(squeued)
  if [ $? != 0 ]; then
    case $rows in *"nvalid job id"*) return ;; esac
    doubtful "whether it still is can't be told: $rows"
    return 1
  fi
  while IFS=$us read -r state command; do
    case ,$ends, in *",$state,"*) continue ;; esac
    case $command in
      *"/$owner/"*) busy=yes ;;
      *-*/../../*) ;; # another job, to which its id was given
      ?*) [ -z "$id" ] || busy=yes ;;
    esac
  done <<EOF
$rows
EOF
}

doubtful() { # doubtful WORDS: it is for later, and others may go
  what=doubtful
  trains "$1"
  return 1
}

trains() { # trains WORDS
  whose="another daemon's, $by"
  [ "$by" != "$daemon" ] || whose="another experiment's"
  echo "$results is being trained into by job ${id:-$owner} of $whose: $1" >&2
}
