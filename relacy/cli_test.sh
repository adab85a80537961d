#!/bin/bash
# The command line of fsqlshm-relacy: exit codes and documents. Usage: cli_test.sh BINARY
set -u
binary=$1
# shellcheck source=harness/cli_test.sh
. "$(dirname "$0")/../harness/cli_test.sh"

expect 0 --help
expect 0 --list
contains "$folder/out" check-claim
expect 2 --nonsense
[ "$(wc -l <"$folder/err")" -eq 1 ] || fail "more than one line: $(cat "$folder/err")"
expect 2 --scenario nonsense
expect 2 --protocol nonsense
expect 2 --search sideways
expect 2 --shard 3/2
expect 2 --jobs 0
expect 2 --iterations 0
expect 2 --replay nonsense
expect 2 --scenario ids --iterations 10 --json "$folder/missing/x.json"
expect 2 --check-page "$folder/missing.md"
expect 2 --check-page "$folder"
expect 2 --page "$folder/page.md"
expect 2 --replay ''
expect 2 --litmus --scenario ids
expect 2 --list --audit-orders
expect 2 --list --json "$folder/x.json"
expect 2 --scenario look --iterations 1 --json "$folder/x" --junit "$folder/x"
expect 2 --audit-orders --page ''
expect 2 --audit-orders --page "$folder/missing/page.md"
expect 2 --minutes nan
# The second half of one execution is nothing, and nothing is not clean.
expect 2 --scenario ids --iterations 1 --shard 2/2
contains "$folder/err" 'is empty'
"$binary" --list >/dev/full 2>"$folder/err"
[ "$?" -eq 2 ] || fail "a lost output looks like success"

# Clean, a defect that had to be found, a mutant: all as expected.
expect 0 --scenario ids --iterations 1000 --json "$folder/a.json" --junit "$folder/a.xml"
contains "$folder/a.json" '"status": "clean"'
contains "$folder/a.json" '"schema": "fsqlshm-result/1"'
contains "$folder/a.xml" 'failures="0"'
expect 0 --protocol reference --scenario check-claim --search bounded --json "$folder/b.json"
contains "$folder/b.json" '"severity": "expected"'
contains "$folder/b.json" '"threads"'
contains "$folder/b.json" '"defect": "D5"'
contains "$folder/out" 'violated: P1 exclusion'
expect 0 --protocol mutant-no-recheck --scenario publish1-load2

# A defect that is not found, here for want of executions, is a finding.
expect 1 --protocol reference --scenario late-clear --iterations 1
contains "$folder/out" 'missed'

# The line that a counter-example ends with shows it again.
expect 0 --protocol reference --scenario late-clear
id=$(sed -n "s/^replay: fsqlshm-relacy --replay '\(.*\)'$/\1/p" "$folder/out")
expect 1 --replay "$id"
contains "$folder/out" 'violated: P2 integrity'
expect 0 --replay hardened/ids/random/1
publish='@hardened/seqlock.h:publish:store:commit_seq:release'
expect 0 --replay "hardened/publish1-load1/random/1$publish=relaxed"
expect 2 --replay "hardened/ids/random/1$publish=relaxed"
contains "$folder/err" 'no operation that could be weakened so'
expect 2 --replay "hardened/publish1-load1/random/1$publish=seq_cst"

same_for_any_jobs --search bounded --context-bound 2
same_for_any_jobs --protocol reference --iterations 2000

# An interrupted run reports what it did and does not look clean.
"$binary" --minutes 0.5 --quiet --json "$folder/c.json" >"$folder/out" 2>"$folder/err" &
pid=$!
sleep 0.5
kill -TERM "$pid"
wait "$pid"
code=$?
[ "$code" -eq 2 ] || fail "interrupted: exit code $code"
contains "$folder/c.json" '"status": "could_not_run"'
grep -Eq '"executions": [1-9]' "$folder/c.json" || fail "interrupted: nothing is reported"

# What no process of a run has ended is not clean, with one job and with several.
for jobs in 1 3; do
  "$binary" --search full --jobs "$jobs" --quiet --json "$folder/c.json" >"$folder/out" 2>"$folder/err" &
  pid=$!
  sleep 2
  kill -TERM "$pid"
  wait "$pid"
  contains "$folder/c.json" '"status": "stopped"'
  grep -q '"complete": false' <(grep -A2 '"status": "clean"' "$folder/c.json") && fail "a search without an end is clean"
done

# An audit ends soon after the signal, not when all is searched.
"$binary" --audit-orders --quiet --json "$folder/c.json" >"$folder/out" 2>"$folder/err" &
pid=$!
sleep 1
kill -TERM "$pid"
wait "$pid"
contains "$folder/c.json" 'stopped before the audit was complete'

exit_status
