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
