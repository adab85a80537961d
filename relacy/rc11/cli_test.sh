#!/bin/bash
# The command line of fsqlshm-rc11: exit codes, documents, replays. Usage: cli_test.sh BINARY
set -u
binary=$1
# shellcheck source=harness/cli_test.sh
. "$(dirname "$0")/../../harness/cli_test.sh"

expect 0 --list
contains "$folder/out" two-publishers
expect 0 --litmus --json "$folder/litmus.json"
contains "$folder/litmus.json" '"as_expected": true'
expect 0 --scenario look --json "$folder/look.json" --junit "$folder/look.xml"
contains "$folder/look.json" '"engine": "rc11"'
contains "$folder/look.json" '"complete": true'
contains "$folder/look.xml" '<testcase classname="hardened" name="look"/>'
expect 0 --scenario check-claim --shard 2/2
expect 2 --scenario nothing
expect 2 --protocol nobody
expect 2 --shard 3/2
expect 2 --jobs 0
expect 2 --search bounded
expect 2 --replay nonsense
expect 2 --replay hardened/look/rc11/a --scenario look
expect 2 --replay hardened/look/rc11/ab
contains "$folder/err" 'is cut off'
expect 2 --page "$folder/page.md"

# A defect that is known is expected.
expect 0 --protocol reference --scenario late-clear
contains "$folder/out" "D4 late-clear"
replay=$(sed -n "s/^replay: .*--replay '\(.*\)'$/\1/p" "$folder/out" | head -1)
expect 1 --replay "$replay"
contains "$folder/out" "violated: P2 integrity"

same_for_any_jobs --iterations 3000
same_for_any_jobs --scenario successive-owners
exit_status
