# Runs a command to its end, once for each room, and tells how it ended; called again and again until it has. Arguments: the
# room, the directory to run in, the command, how many seconds to wait for its end, how many bytes of its output to tell.
#
# The room is made before the command is begun, and by one caller only. What is in it: output.log, pid and host, and at the end
# exit_code. A process that is gone and left no exit code, on the machine where it began, was killed: `lost`.
room=$1 dir=$2 command=$3 seconds=$4 bytes=$5
umask 077
mkdir -p "${room%/*}" || exit 1
if mkdir "$room" 2>/dev/null; then
  hostname >"$room/host"
  if cd "$dir" 2>"$room/output.log"; then
    # A login shell: `module`, `conda` and what else a person's own commands need is there. It outlives the connection.
    nohup setsid sh -c '
      echo $$ >"$1/pid"
      bash -l -c "$2" >"$1/output.log" 2>&1 </dev/null
      echo $? >"$1/exit_code.partial"
      mv "$1/exit_code.partial" "$1/exit_code"
    ' runexp-before "$room" "$command" >/dev/null 2>&1 </dev/null &
  else
    echo 1 >"$room/exit_code"
  fi
fi
waited=0
while [ ! -s "$room/exit_code" ] && [ "$waited" -lt "$seconds" ]; do
  sleep 1
  waited=$((waited + 1))
done
if [ -s "$room/exit_code" ]; then
  echo "ended $(cat "$room/exit_code")"
elif [ -s "$room/pid" ] && [ "$(cat "$room/host")" = "$(hostname)" ] && ! kill -0 "$(cat "$room/pid")" 2>/dev/null; then
  [ -s "$room/exit_code" ] && echo "ended $(cat "$room/exit_code")" || echo lost
else
  echo running
fi
tail -c "$bytes" "$room/output.log" 2>/dev/null
exit 0
