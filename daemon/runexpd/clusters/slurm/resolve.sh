# What became of submissions, without submitting any: arguments are sacct's fields, and tokens. Prints as submit.sh
# does, after each a <unit separator> and when it was begun, and besides:
# `withdrawn`: it had never begun, and now never will, since the lock is taken here.
# `gone`: it began, left no receipt, and whoever was at it is gone.
# Then the time, the queue and accounting, for tokens without a receipt; and where sacct has no SubmitLine to tell tokens by, the
# ids that are in receipts.
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

say() { # say WHAT TEXT
  printf '%s%s%s%s%s%s%s\n' "$token" "$us" "$1" "$us" "$2" "$us" "$begun"
}

text() {
  line=
  while IFS= read -r part || [ -n "$part" ]; do line="$line$part "; done <"$1"
}

for token; do
  room=$spool/$token
  mkdir -p "$room" 2>/dev/null
  set -C
  if { printf 'withdrawn\n' >"$room/lock"; } 2>/dev/null; then
    printf 'withdrawn\n' >"$room/receipt"
  fi
  set +C
  if [ ! -e "$room/lock" ]; then
    begun=$now
    say locked "$spool can not be written to: whether it was begun can't be told"
    continue
  fi
  receipt= pid= since= at=
  { IFS= read -r receipt <"$room/receipt"; } 2>/dev/null
  { read -r pid since at <"$room/lock"; } 2>/dev/null
  begun=$(stat -c %Y "$room/lock" 2>/dev/null) || begun=$now
  case $pid in withdrawn) receipt=withdrawn ;; esac
  case $receipt in
    withdrawn) say withdrawn ;;
    refused)
      text "$room/err"
      say refused "$line" ;;
    "done 0")
      text "$room/out"
      say id "$line" ;;
    "done "*)
      text "$room/err"
      say "error ${receipt#done }" "$line" ;;
    *)
      born "${pid:-none}"
      if [ "$at" = "$host" ] && [ -n "$born" ] && [ "$born" = "$since" ]; then
        say locked
      elif [ -n "$at" ] && [ "$at" != "$host" ] && [ $((now - begun)) -lt 600 ]; then
        say locked
      # An sbatch may outlive its shell, and try on for two minutes. (In brackets: grep does not find itself.)
      elif grep -qs "[/]$token/" /proc/[0-9]*/cmdline; then
        say locked
      # sbatch said its word, and nobody was left to write the receipt.
      elif { IFS= read -r line <"$room/out"; } 2>/dev/null; then
        say id "$line"
      else
        say gone
      fi ;;
  esac
done
echo "==now"
date +%s
echo "==end $?"
echo "==queue"
timeout 30 squeue -h -a -t all -u "$(id -un)" -o "%i$us%T$us%r$us%S$us%o"
echo "==end $?"
echo "==accounting"
SLURM_TIME_FORMAT=%s timeout 30 sacct -n -X -P --delimiter="$us" -S now-14days --format="$fields"
echo "==end $?"
case $fields in
  *SubmitLine*) ;;
  *)
    echo "==taken"
    cat "$spool"/*/out
    echo "==end 0" ;;
esac 2>/dev/null
