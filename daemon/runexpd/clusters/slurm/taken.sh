# Says, of each directory that another's job trains into, the token that it was asked for and whose it is; changes nothing. Arguments:
# ENDS DAEMON, as submit.sh has them; on its input are a line with a token and one with its directory, and so on. The queue is asked for
# all at once: by ids, and where one isn't known for all of this user's.
ends=$1 daemon=$2
all=$(cat)

others() { # others COMMAND: for each whose mark is another's
  while IFS= read -r token && IFS= read -r results; do
    mark=$results/.runexp
    read_mark "$mark"
    if anothers; then "$1"; fi
  done <<EOF
$all
EOF
}

wanted() { # what the queue is to be asked for, on stdout, and whether the cluster is
  [ "$kind" != slurm ] || [ -z "$where" ] || echo name
  case $kind,$id in
    slurm, | slurm,*[!0-9]*) echo mine ;;
    slurm,*) echo "$id" ;;
  esac
}

squeued() { # as marks.sh has it, of what was asked for before
  printf '%s\n' "$queue" | while IFS= read -r row; do
    case $of$us$row in
      "-j $id$us$id$us"* | "-u "*) printf '%s\n' "${row#*"$us"}" ;;
    esac
  done
  [ -z "$problem" ] || { echo "$problem" && false; }
}

whose() {
  if why=$(under_way 2>&1); then say "$token" taken "$us$us$us$us$us" "" "$(printf '%s' "$why" | tr '\n' ' ')$rs"; fi
}

asked=$(others wanted | sort -u)
case $asked in *name*) which_cluster ;; esac
ids=$(printf '%s\n' "$asked" | grep -v '[a-z]' | paste -s -d , -)
queue= problem=
ask() { # ask OPTION ...: a row a job, behind those that are known
  rows=$(timeout 30 squeue -h -a -t all "$@" -o "%i$us%T$us%o" 2>&1) || problem=$rows
  queue="$queue$rows
"
}
# Of one alone that it doesn't know squeue makes an error, and of the first of two nothing.
[ -z "$ids" ] || ask -j "$ids,$ids"
case $asked in *mine*) ask -u "$(id -un)" ;; esac
others whose
exit 0
