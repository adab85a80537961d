#!/bin/bash
# The command line of fsqlshm-step: exit codes, documents, replays. Usage: cli_test.sh BINARY SUBJECTS
set -u
binary=$1
subjects=$2
# shellcheck source=harness/cli_test.sh
. "$(dirname "$0")/../../harness/cli_test.sh"

expect 0 --help
expect 0 --list
contains "$folder/out" check-claim
expect 2
expect 2 --subject "$folder/missing.so"
expect 2 --subject "$subjects/other-version.so"
expect 2 --list --json "$folder/x.json"
hardened=(--subject "$subjects/hardened.so")
expect 2 "${hardened[@]}" --scenario nonsense
expect 2 "${hardened[@]}" --search full
expect 2 "${hardened[@]}" --shard 3/2
expect 2 "${hardened[@]}" --replay nonsense
expect 2 "${hardened[@]}" --replay nonsense/bound1/0
expect 2 "${hardened[@]}" --replay look/bound1/0 --scenario look
expect 0 "${hardened[@]}" --scenario look --json "$folder/look.json" --junit "$folder/look.xml"
contains "$folder/look.json" '"engine": "step"'
contains "$folder/look.json" '"checksum"'
contains "$folder/look.xml" testsuite
expect 0 "${hardened[@]}" --scenario look --search random --iterations 100
expect 0 "${hardened[@]}" --replay look/bound1/0

# A defect that is known is expected; the same in a subject that promises better is a violation.
expect 0 --subject "$subjects/reference.so" --scenario check-claim
contains "$folder/out" "D5 check-claim"
contains "$folder/out" "reference/writer_indicator.h:"
expect 1 --subject "$subjects/reference.so" --scenario check-claim --iterations 3
contains "$folder/out" "D5 was not found in reference.so by check-claim, whose search was cut short"
contains "$folder/out" "give it more time"
expect 0 --subject "$subjects/reference.so" --scenario check-claim
replay=$(sed -n "s/^replay: .*--replay '\(.*\)'$/\1/p" "$folder/out" | head -1)
expect 1 --subject "$subjects/reference.so" --replay "$replay"
contains "$folder/out" "violated: P1 exclusion"
expect 1 --subject "$subjects/evicts-by-store.so" --scenario check-claim
expect 2 --subject "$subjects/wide-access.so" --scenario ids
contains "$folder/err" "cannot step an instruction"

same_for_any_jobs --subject "$subjects/reference.so"
exit_status
