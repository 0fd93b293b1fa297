# What a cluster is like: each answer, stderr included, between `==name` and `==end CODE`. Submits nothing.
look() { # look NAME COMMAND...
  echo "==$1"
  shift
  timeout 20 "$@" 2>&1
  echo "==end $?"
}
me=$(id -un)
look user sh -c 'id -un; uname -n; echo "$HOME"'
for command in sbatch squeue sacct scancel; do
  look "$command" "$command" --version
done
look variables echo "${RUNEXP_LEFT_OUT:-}"
look ping scontrol ping
look config sh -c 'scontrol show config | grep -E "^(AccountingStorageType|MinJobAge|ClusterName) "'
look accounting sacct -n -X -P -S now-1hours --format=JobID
look fields sacct --helpformat
look assoc sacctmgr -n -P show assoc where "user=$me" format=Account,Partition,MaxSubmitJobs,QOS
look qos sacctmgr -n -P show qos format=Name,MaxSubmitJobsPU
look partitions sinfo -h -o %P
look spool sh -c 'd=$HOME/.runexp; mkdir -p -m 700 "$d" && mkdir "$d/doctor.$$" && rmdir "$d/doctor.$$"'
look home sh -c 'df -Pk "$HOME" | tail -n 1; df -Pi "$HOME" | tail -n 1; quota -w 2>/dev/null | tail -n +3; true'
# The configuration's own lines, once more and one after the other: what each says, and its end. Some are a command only together.
runexp_first=1 runexp_last=0 runexp_lines=
for runexp_line; do
  runexp_last=$((runexp_last + 1))
  runexp_lines="$runexp_lines$runexp_line
"
  sh -n -c "$runexp_lines" 2>/dev/null || continue
  echo "==prepend $runexp_first $runexp_last"
  runexp_code=0
  eval "$runexp_lines" 2>&1 </dev/null || runexp_code=$?
  printf '\n==end %s\n' "$runexp_code"
  runexp_first=$((runexp_last + 1)) runexp_lines=
done
