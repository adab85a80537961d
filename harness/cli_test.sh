# What the tests of command lines share. Source it after setting `binary`; end with `exit_status`.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failures=0

# fail TEXT...: says what went wrong; the test goes on.
fail() {
  echo "$*"
  failures=$((failures + 1))
}

# expect CODE arguments...: runs the tool and compares its exit code.
expect() {
  local wanted=$1
  shift
  timeout 60 "$binary" --quiet "$@" >"$folder/out" 2>"$folder/err"
  local code=$?
  if [ "$code" -ne "$wanted" ]; then
    fail "expected exit code $wanted, got $code: $*"
    cat "$folder/out" "$folder/err"
  fi
}

# contains FILE TEXT
contains() {
  if ! grep -q -- "$2" "$1"; then
    fail "no \"$2\" in:"
    cat "$1"
  fi
}

# same_for_any_jobs arguments...: how many processes work makes no difference to the document but in times.
same_for_any_jobs() {
  local jobs
  for jobs in 1 2 8; do
    expect 0 "$@" --jobs "$jobs" --json "$folder/jobs.json"
    contains "$folder/jobs.json" '"executions"'
    grep -vE '"(started|seconds|duration_seconds)":' "$folder/jobs.json" >"$folder/jobs-$jobs"
    cmp "$folder/jobs-1" "$folder/jobs-$jobs" || fail "--jobs $jobs differs from --jobs 1: $*"
  done
}

exit_status() {
  [ "$failures" -eq 0 ] && echo "all as expected"
  exit "$((failures != 0))"
}
