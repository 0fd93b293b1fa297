# What the queue has of this user's jobs, and what accounting says of those that it no longer has. Arguments: sacct's fields, and
# the states that are an end; on its input ids, one a line, however many. Accounting is asked after the queue, and only if need
# be: a job that is in the queue is the queue's to tell of.
queue=$(queue)
status=$?
# Ids of which the queue has no row that isn't an end, in lines that are no longer than a word may be.
left=$({ printf '%s\n' "$queue"; echo "$us"; cat; } | awk -F "$us" -v ends="$2" '
  BEGIN { split(ends, list, ","); for (at in list) over[list[at]] = 1 }
  $0 == FS { asked = 1; next }
  !asked { id = $1; sub(/[_+].*/, "", id); if (!($2 in over)) there[id] = 1; next }
  !($1 in there) { line = line (line == "" ? "" : ",") $1; if (length(line) > 60000) { print line; line = "" } }
  END { if (line != "") print line }')
echo "==queue"
printf '%s\n' "$queue"
echo "==end $status"
echo "==accounting"
worst=0 asked=0
for ids in $left; do
  asked=$((asked + 1))
  accounting -j "$ids" --format="$1" || worst=$?
done
echo "==end $worst"
echo "==asked"
echo "$asked"
echo "==end 0"
