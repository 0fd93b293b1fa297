# What became of submissions, without submitting any: arguments are sacct's fields, and tokens. Prints as submit.sh
# does, and besides:
# `withdrawn`: it had never begun, and now never will, since the lock is taken here.
# `dying SECONDS`: it began, left no receipt, and whoever was at it is gone; so long ago.
# Then the queue and accounting, for tokens without a receipt.
fields=$1
shift
us=$(printf '\037')
host=$(uname -n)
now=$(date +%s)
spool=$HOME/.runexp
[ -d "$spool" ] || mkdir -m 700 "$spool" || [ -d "$spool" ] || exit 1

born() { # born PID: when it was started, in $born; empty where it is over (a zombie is)
  born=
  { IFS= read -r line <"/proc/$1/stat"; } 2>/dev/null || return
  set -- ${line##*) }
  [ "$1" = Z ] || born=${20}
}

text() {
  line=
  while IFS= read -r part || [ -n "$part" ]; do line="$line$part "; done <"$1"
}

for token; do
  room=$spool/$token
  mkdir -p "$room"
  set -C
  if { printf 'withdrawn\n' >"$room/lock"; } 2>/dev/null; then
    printf 'withdrawn\n' >"$room/receipt"
  fi
  set +C
  receipt= pid= since= at=
  { IFS= read -r receipt <"$room/receipt"; } 2>/dev/null
  { read -r pid since at <"$room/lock"; } 2>/dev/null
  case $pid in withdrawn) receipt=withdrawn ;; esac
  case $receipt in
    withdrawn) printf '%s%swithdrawn%s\n' "$token" "$us" "$us" ;;
    "done 0")
      text "$room/out"
      printf '%s%sid%s%s\n' "$token" "$us" "$us" "$line" ;;
    "done "*)
      text "$room/err"
      printf '%s%serror %s%s%s\n' "$token" "$us" "${receipt#done }" "$us" "$line" ;;
    *)
      age=$((now - $(stat -c %Y "$room/lock" 2>/dev/null || echo "$now")))
      born "${pid:-none}"
      if [ "$at" = "$host" ] && [ -n "$born" ] && [ "$born" = "$since" ]; then
        printf '%s%slocked%s\n' "$token" "$us" "$us"
      elif [ -n "$at" ] && [ "$at" != "$host" ] && [ "$age" -lt 600 ]; then
        printf '%s%slocked%s\n' "$token" "$us" "$us"
      else
        printf '%s%sdying %s%s\n' "$token" "$us" "$age" "$us"
      fi ;;
  esac
done
echo "==queue"
timeout 30 squeue -h -t all -u "$(id -un)" -o "%i$us%T$us%r$us%S$us%o"
echo "==end $?"
echo "==accounting"
SLURM_TIME_FORMAT=%s timeout 30 sacct -n -X -P --delimiter="$us" -S now-14days --format="$fields"
echo "==end $?"
