# Submits each once: arguments STOPS ENDS DAEMON, then TOKEN DIRECTORY SCRIPT NAME OUTPUT_DIR ERROR_DIR PARTITION ACCOUNT CHDIR
# RESULTS VARIABLE SECONDS, and so on by twelves. From NAME on each may be empty. STOPS: after an error that matches, no more are begun. ENDS: states
# that are an end. DAEMON: whose they are, for people. RESULTS: the directory that it trains into.
# VARIABLE: what its script finds in its environment besides, as NAME=value; sbatch hands that on. SECONDS: since somebody looked
# what lies in RESULTS, when this began.
# Prints, for each, its token, and what became of it: `done CODE` (sbatch's) with what sbatch wrote to both its outputs,
# `refused` (here, before sbatch was asked), `locked` (somebody is or was at it), `withdrawn` (by resolve.sh), `later` (not
# begun), or `doubtful` (whether another job trains there).
# Goes on when the connection dies: the receipt, written before anything is printed, then tells.
# One process and one file a job, sbatch and its lock (see shared.sh): everything else is the shell's own, or made for all.
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
  [ -n "$what" ] || out= err=
  say "$1" "${what:-locked}" "$us$us$us$us$us" "$out" "$err"
}

places() { # places TOKEN ...: the tokens' directories, and those for outputs that have to be made, in one process
  count=$# rooms=
  while [ "$count" -ge 12 ]; do
    token=$1 directory=$2 out=$5 err=$6 chdir=$9 results=${10}
    shift 12
    count=$((count - 12)) rooms="$rooms $token"
    if [ -e "$spool/$token/lock" ] || { [ -n "$chdir" ] && [ ! -d "$chdir" ]; }; then continue; fi
    for wanted in "$out" "$err" "$results"; do
      lacks "$wanted" && set -- "$@" "$path"
    done
  done
  cd "$spool" && mkdir -p $rooms "$@"
}

ready() { # what the job needs is there, or made where that is right; its words on stderr
  if [ -n "$chdir" ] && [ ! -d "$chdir" ]; then
    echo "--chdir=$chdir: no such directory; Slurm would run the job in /tmp" >&2
    return 1
  fi
  for wanted in "$out" "$err"; do
    if lacks "$wanted"; then mkdir -p "$path" || return; fi
    if [ -n "$why" ]; then
      echo "no directory for its output: $why" >&2
      return 1
    fi
  done
  cd "$directory"
}

# For outputs, made below a directory that the job is in anyway, never in place of one. Goes there, without a process for each.
lacks() { # lacks DIRECTORY: whether it is to be made, as $path; why it can't be, in $why
  why=
  if [ -z "$1" ] || { cd "$directory" && [ -d "$1" ]; }; then return 1; fi
  case $1 in
    /*) path=$1 ;;
    *) path=$PWD/$1 ;;
  esac
  there=$path
  while [ -n "$there" ] && [ ! -e "$there" ] && [ ! -L "$there" ]; do there=${there%/*}; done
  why="$there is not a directory"
  [ -d "${there:-/}" ] || return
  why="$there can not be entered"
  cd -P "${there:-/}" || return
  real=$PWD
  for base in "$directory" ${chdir:+"$chdir"}; do
    cd -P "$base" || continue
    case ${path#"$there"}/ in
      */../*) ;;
      *)
        case $real/ in
          "${PWD%/}"/*)
            why=
            return 0 ;;
        esac ;;
    esac
  done
  why="$path isn't there, and is made only below the work directory"
  return 1
}

# In the directory that it trains into: see marks.sh.
marked() { # its mark is, and nobody else's job trains there; or why not, on stderr, and what comes of that, in $what
  mark= what=refused
  [ -n "$results" ] || return 0
  [ -d "$results" ] || results=$directory
  mark=$results/.runexp
  read_mark "$mark"
  if anothers; then
    under_way && return 1
    made_since && return 1
  fi
  which_cluster
  if [ -f "$mark" ]; then
    replaced
    return
  elif [ -e "$mark" ] || [ -L "$mark" ]; then
    mark= # a FIFO would be waited for
    return
  fi
  written "$mark" && return
  read_mark "$mark"
  [ ! -f "$mark" ] || doubtful "somebody else was quicker" || return
  mark= # none can be made: nobody is kept from training for that
}

# Whether anything was, by that one, since somebody looked: it is to be looked at before it is trained over. Files tell, those of
# epochs' directories, too; directories don't: we make some for outputs, and take away from them what we move aside (hosts/aside.py).
made_since() {
  [ -n "$seconds" ] || return
  ago=$((seconds + $(seconds_up) - began))
  find -H "$results" -mindepth 1 -maxdepth 3 \( -name '.runexp*' -o -name 'aside-*' \) -prune -o \
    -type f -newermt "$ago seconds ago" -print 2>/dev/null | grep -q . &&
    trains "and it is over. \`runexp run\` takes up what lies there, and where that is no good \`runexp retry\` makes it anew" was
}

written() { # written PLACE: the mark, whole, where there was nothing
  set -C # only one of all who want to makes it
  { printf '' >"$1"; } 2>/dev/null
  set -- "$?" "$1"
  set +C
  [ "$1" = 0 ] || return
  { printf '%s\n' "$token" "$daemon" "$mark" slurm "$cluster" >>"$2"; } 2>/dev/null || ! rm -f "$2"
}

# Whoever makes the next one is the only one who may change the mark, as long as that is there.
replaced() { # the mark that was read has given way, as it was, to this one
  before=$lines
  if ! written "$mark.next"; then
    if [ -e "$mark.next" ] || [ -w "$results" ]; then
      doubtful "somebody else is taking its place; if nobody is, and $mark.next stays, remove that"
      return
    fi
    mark= # as above
    return 0
  fi
  read_mark "$mark"
  if [ "$lines" = "$before" ] && mv -f "$mark.next" "$mark" 2>/dev/null; then return; fi
  rm -f "$mark.next"
  doubtful "somebody else was quicker, or $mark can't be replaced by you"
}

submit() { # submit ROOM: once, since the lock is ours
  if { cd "$directory" && ready && marked; } 2>"$said"; then
    ${variable:+env "$variable"} sbatch --parsable ${name:+"--job-name=$name"} ${partition:+"--partition=$partition"} \
      ${account:+"--account=$account"} "$1/$up$script" >>"$1/lock" 2>"$said" </dev/null
    code=$?
    what="done $code"
  else
    code=0 what=${what:-refused} mark=
  fi
  text "$said"
  printf '\n%s\n' "$rs$what$rs$line" >>"$1/lock"
  [ "$code" != 0 ] || return
  if grep -qE "$stops" "$said"; then
    stopped=$line
  elif [ "$code" -le 128 ] || [ "$code" = 255 ]; then # not ended by a signal: it has said no
    unmade=yes
  fi
}

born $$
stops=$1 ends=$2 daemon=$3 stopped= began=$(seconds_up)
shift 3
said=$spool/.said-$host-$$
{ :; } 2>/dev/null >"$said" || said=/dev/null
places "$@" 2>/dev/null
while [ $# -ge 12 ]; do
  token=$1 directory=$2 script=$3 name=$4 out=$5 err=$6 partition=$7 account=$8 chdir=$9 results=${10}
  variable=${11} seconds=${12}
  shift 12
  room=$spool/$token mark= what= unmade=
  if [ -n "$stopped" ] && [ ! -e "$room/lock" ]; then
    say "$token" later "$us$us$us$us$us" "" "$stopped"
    continue
  fi
  set -C # the lock: only one of all who ask makes this file
  if { printf '%s\n' "$$ $born $host 2" "${chdir:-$directory}" "$name" >"$room/lock"; } 2>/dev/null; then
    set +C
    submit "$room"
  fi
  set +C
  if [ -e "$room/lock" ]; then
    answer "$token"
    # Whoever meets the mark asks for the job by its id.
    id=${out%%[!0-9]*} there=
    case $out in "$id;"*) there=${out#"$id"} ;; esac
    if [ -n "$mark" ] && [ -n "$id" ]; then
      printf '%s\n' "$id${there%%"$rs"*}" >>"$mark"
    elif [ -n "$mark" ] && [ -n "$unmade" ]; then
      case $out in
        *[!"$rs"]*) ;; # an id, perhaps, in a site's own words
        *) rm -f "$mark" ;;
      esac
    fi 2>/dev/null
  else
    say "$token" later "$us$us$us$us$us" "" "$spool can not be written to"
  fi
done
rm -f "$spool/.said-$host-$$"
