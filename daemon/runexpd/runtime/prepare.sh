# Runs a command to its end, once for each room, and tells how it ended; called again and again until it has. With an empty
# command it ends it, or sees to it that it is never begun. Arguments: the room, the directory to run in, the command, how many
# seconds to wait for its end, how many bytes of its output to tell, and how many seconds it has to end by itself, when it is to.
#
# The room is made before the command is begun, and by one caller only. What is in it: output.log, pid and host of who watches
# the command, `end` once it is to end, and at the end exit_code. Who watches it is told by a file, since a login node has
# many names; and knows its processes by the room in their environment, wherever they went. A watcher that is gone and left no
# exit code, on the machine where it began, was killed: `lost`.
room=$1 dir=$2 command=$3 seconds=$4 bytes=$5 grace=$6
# What is waited for is looked for often at first, and ever more seldom, down to once a second.
naps='
  nap() { # nap TENTHS: of a second; all of it where sleep takes no fractions. The next one is longer
    tenths=$(($1 + ($1 + 1) / 2))
    [ "$tenths" -le 10 ] || tenths=10
    sleep "$(($1 / 10)).$(($1 % 10))" 2>/dev/null || sleep 1
  }
'
eval "$naps"
umask 077
mkdir -p "${room%/*}" || exit 1
if mkdir "$room" 2>/dev/null; then
  hostname >"$room/host"
  if [ -z "$command" ]; then
    echo 143 >"$room/exit_code"
  elif cd "$dir" 2>"$room/output.log"; then
    nohup setsid sh -c "$naps"'
      room=$1 grace=$3
      echo $$ >"$room/pid"
      processes() { grep -lzsxF "RUNEXP_BEFORE=$room" /proc/[0-9]*/environ | cut -d/ -f3; }
      # A login shell: `module`, `conda` and what else a person has is there. It outlives the connection.
      RUNEXP_BEFORE=$room setsid bash -l -c "$2" >"$room/output.log" 2>&1 </dev/null &
      command=$!
      {
        tenths=1
        while [ ! -e "$room/end" ]; do nap "$tenths"; done
        kill -TERM $(processes)
        tenths=1 waited=0
        while [ "$waited" -lt "$((grace * 10))" ] && [ -n "$(processes)" ]; do
          waited=$((waited + tenths))
          nap "$tenths"
        done
        kill -KILL $(processes)
        # A job of its own is waited for by `sbatch --wait`, which leaves it behind when it is ended itself.
        jobs=$(sed -n "s/^Submitted batch job \([0-9]*\).*/\1/p" "$room/output.log")
        [ -z "$jobs" ] || bash -l -c "scancel $(echo $jobs)" >>"$room/output.log" 2>&1 </dev/null
      } 2>/dev/null &
      ending=$!
      wait "$command"
      code=$?
      if [ -e "$room/end" ]; then wait "$ending"; else kill "$ending"; fi
      echo $code >"$room/exit_code.partial"
      mv "$room/exit_code.partial" "$room/exit_code"
    ' runexp-before "$room" "$command" "$grace" >/dev/null 2>&1 </dev/null &
  else
    echo 1 >"$room/exit_code"
  fi
fi
[ -n "$command" ] || : >"$room/end"
here=$(hostname)
lost() { # whether who watches it is no more, on the machine where it began
  { IFS= read -r began <"$room/host" && IFS= read -r pid <"$room/pid"; } 2>/dev/null || return
  # Its number may be another's by now, after a restart of the machine.
  [ "$began" = "$here" ] && [ -n "$pid" ] && ! grep -qszxF runexp-before "/proc/$pid/cmdline"
}
tenths=1 waited=0
while [ ! -s "$room/exit_code" ] && [ "$waited" -lt "$((seconds * 10))" ] && ! lost; do
  waited=$((waited + tenths))
  nap "$tenths"
done
if [ -s "$room/exit_code" ]; then
  echo "ended $(cat "$room/exit_code")"
elif lost; then
  [ -s "$room/exit_code" ] && echo "ended $(cat "$room/exit_code")" || echo lost
else
  echo running
fi
tail -c "$bytes" "$room/output.log" 2>/dev/null
exit 0
