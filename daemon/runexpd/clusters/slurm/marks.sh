# A mark in the directory that is trained into, .runexp: whose job does, or did. Its lines are a token, the daemon's place, the mark's
# own path, `local` or `slurm`, where it is (a local job's record, a Slurm job's cluster, which earlier ones left empty), and a Slurm
# job's id, with `;CLUSTER` where sbatch said so. clusters/local/marks.py makes and reads such, too.
# Who reads it has set: $token, what is to be submitted; $daemon, whose that is; $ends, states that are an end; $results, the
# directory, and $mark in it.
cluster= is_asked= kept=$spool/.cluster-$host${SLURM_CLUSTERS:+-$SLURM_CLUSTERS}

read_mark() { # read_mark MARK: its lines; nothing where it isn't a file; why it can't be read, in $unread
  owner= by= made= kind= where= id= lines= unread=
  [ -f "$1" ] || return 0
  lines=$(head -c 9999 "$1" 2>&1) || unread=${lines:-no answer} unread=${unread##*: }
  [ -z "$unread" ] || return 0
  {
    IFS= read -r owner
    IFS= read -r by
    IFS= read -r made
    IFS= read -r kind
    IFS= read -r where
    IFS= read -r id
  } <<EOF
$lines
EOF
  case $id in *\;*) where=${id#*;} id=${id%%;*} ;; esac
}

anothers() { # whether it is: not of the same experiment of the same ledger, nor one that was made elsewhere, and copied
  [ -f "$mark" ] && [ "${owner%%-*}" != "${token%%-*}" ] && { [ ! -e "$made" ] || [ "$made" -ef "$mark" ]; }
}

under_way() { # whether its job is, or may be
  if [ -n "$unread" ]; then
    what=doubtful
    echo "$mark can't be read: $unread. Ask whose it is (\`ls -l\`) what trains there, and once nothing does, remove it" >&2
    return 0
  fi
  busy=
  case $kind in
    slurm)
      [ -z "$where" ] || which_cluster
      if [ "${where:-$cluster}" = "$cluster" ]; then listed || return 0; else elsewhere && return 0; fi ;;
    local)
      if [ -d "$where" ] && [ ! -e "$where/end.json" ]; then busy=yes; fi
      # Held by its keeper, wherever that runs.
      if command -v flock >/dev/null && ! flock -n "$mark" true; then busy=yes; fi ;;
  esac
  if [ -n "$busy" ]; then
    trains "wait for its end, end it there, or, if it is gone for good, remove $mark; \`runexp run\` then takes up what lies there"
    return 0
  fi
  on_its_way || return 1
  doubtful "its submission is on its way, or was refused; it is tried again"
  return 0
}

on_its_way() { # whether it may be: it has neither an id nor a record yet, and is fresh
  [ -z "$id" ] && { [ "$kind" = slurm ] || [ ! -e "$where" ]; } && [ -n "$(find "$mark" -mmin -10 2>/dev/null)" ]
}

elsewhere() { # on another cluster, whose jobs this one doesn't know, or knows as others; false: that is about to be told
  if [ -z "$cluster" ]; then
    doubtful "on the cluster $where, and whether this is that one can't be told: \`scontrol show config\` gives no name"
    return 0
  fi
  ! on_its_way || return
  trains "or was, on the cluster $where, for this one, $cluster, can't tell whether that is over. Ask there (\`sacct -j ${id:-...}\`), \
and once it is, remove $mark; \`runexp run\` then takes up what lies there"
}

which_cluster() { # this one's name, in $cluster; empty where it can't be told
  [ -z "$is_asked" ] || return 0
  is_asked=yes
  cluster=$(last_told 86400 || ask_name || last_told 99999999)
}

# Asked once a day of each login host, and when what is asked changes: two clusters may share a home, two hosts a name, and one
# host may reach two clusters. Nobody's clock counts: how long a host is up does.
asked_of() {
  read -r boot </proc/sys/kernel/random/boot_id
  echo "$boot $(command -v scontrol) $SLURM_CONF $SLURM_CLUSTERS"
}

seconds_up() {
  IFS=. read -r whole part </proc/uptime
  echo "$whole"
}

last_told() { # last_told SECONDS: the name that was told within these, and holds
  { IFS= read -r asked && IFS= read -r since && IFS= read -r name; } 2>/dev/null <"$kept" || return
  [ "$asked" = "$(asked_of)" ] && [ $(($(seconds_up) - since)) -lt "$1" ] &&
    [ ! "${SLURM_CONF:-/etc/slurm/slurm.conf}" -nt "$kept" ] && echo "$name"
}

was_silent() { # whether it gave no name within the last hour: where it hangs or can't be run, not every submission waits for it
  { IFS= read -r asked && IFS= read -r since; } 2>/dev/null <"$kept.silent" || return
  [ "$asked" = "$(asked_of)" ] && [ $(($(seconds_up) - since)) -lt 3600 ]
}

ask_name() {
  ! was_silent || return
  name=$(timeout 10 scontrol show config 2>/dev/null | while IFS=' =' read -r field value; do
    if [ "$field" = ClusterName ]; then echo "$value" && break; fi
  done)
  if [ -z "$name" ]; then
    { printf '%s\n' "$(asked_of)" "$(seconds_up)" >"$kept.silent"; } 2>/dev/null
    return 1
  fi
  { printf '%s\n' "$(asked_of)" "$(seconds_up)" "$name" >"$kept"; } 2>/dev/null
  echo "$name"
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

trains() { # trains WORDS [WAS]
  whose="another daemon's, $by"
  [ "$by" != "$daemon" ] || whose="another experiment's"
  echo "$results ${2:-is being} trained into by job ${id:-$owner} of $whose: $1" >&2
}
