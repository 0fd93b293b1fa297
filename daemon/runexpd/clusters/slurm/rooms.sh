# When, as what and from where each token on its input was submitted: for jobs whose command line doesn't say whose they are.
me=$(id -un)
while read -r token; do
  told "$spool/$token"
  place "$spool/$token"
  say "$token" room "$place"
done
