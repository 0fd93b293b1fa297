# What became of submissions, without submitting any: arguments are sacct's fields, and tokens. Prints as submit.sh
# does, and besides when, as what and from where it was submitted, and:
# `withdrawn`: it had never begun, and now never will, since the lock is taken here.
# `gone`: it began, left no receipt, and whoever was at it is gone.
# Then the time, the queue and accounting, for tokens without a receipt; and the ids that are other submissions'.
fields=$1
shift
unsure=
me=$(id -un)
now=$(date +%s)
[ -d "$spool" ] || mkdir -m 700 "$spool" || [ -d "$spool" ] || exit 1

traces() { # what is known of one that left no receipt
  born "${pid:-none}"
  if [ "$at" = "$host" ] && [ -n "$born" ] && [ "$born" = "$since" ]; then
    what=locked
  elif [ -n "$at" ] && [ "$at" != "$host" ] && [ $((now - begun)) -lt 600 ]; then
    what=locked
  # An sbatch may outlive its shell, and try on for two minutes. (In brackets: grep does not find itself.)
  elif grep -qs "[/]$token/" /proc/[0-9]*/cmdline; then
    what=locked
  else
    what=gone
  fi
}

for token; do
  room=$spool/$token
  mkdir -p "$room" 2>/dev/null
  set -C
  { printf 'withdrawn\n' >"$room/lock"; } 2>/dev/null
  set +C
  if [ ! -e "$room/lock" ]; then
    say "$token" locked "$now$us$us$us$us$us" "" "$spool can not be written to: whether it was begun can't be told"
    continue
  fi
  told "$room"
  place "$room"
  # Without a receipt sbatch may yet have said its word, and waits for the job, or nobody was left to write one.
  [ -n "$what" ] || traces
  case $out in [0-9]*) ;; *) unsure=yes ;; esac
  say "$token" "$what" "$place" "$out" "$err"
done
echo "==now"
date +%s
echo "==end $?"
echo "==queue"
queue
echo "==end $?"
echo "==accounting"
accounting -X -S now-14days --format="$fields"
echo "==end $?"
echo "==taken"
[ -z "$unsure" ] || find "$spool" -mindepth 2 -maxdepth 2 -type f \( -name lock -o -name out \) \
  -exec awk 'FNR > 3 || FILENAME ~ /\/out$/' {} + 2>/dev/null
echo "==end 0"
