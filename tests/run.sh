#!/usr/bin/env bash
# Builds and runs every test and ends with one line: N passed, N failed, N skipped. Only the tests that ask helm are skipped, and only
# where there is neither helm nor a way to fetch it.
set -euo pipefail
cd "$(dirname "$0")/.."

export RBD_REPLICATION_BINARY=$PWD/artifacts/publish/rbd-replication
results=artifacts/test-results
rm -rf "$results"
mkdir -p "$results"
dotnet build -nologo -v quiet -clp:ErrorsOnly -c Release

# The tests that ask helm are marked explicit.
explicit=off
if helm=$(tests/helm.sh); then
  export RBD_REPLICATION_HELM=$helm
  explicit=on
fi

run() { # part project arguments: the lines of a part begin with its name, and all of them are kept
  local part=$1 project=$2 code=0; shift 2
  # shellcheck disable=SC2086
  "tests/$project/bin/Release/net10.0/$project" -noLogo -noColor "$@" ${TEST_OPTIONS-} 2>&1 | tee "$results/$part.log" | sed -u "s/^/$part: /" || code=$?
  echo "$code" >"$results/$part.code"
}

# Those in a browser are explicit too, and belong to make test-page.
run units RbdReplication.Tests -explicit "$explicit" -namespace- RbdReplication.Tests.Browser

# Tests that stop daemons run one at a time and wait for most of it: three pairs of sites, each with its share of them. What is explicit
# belongs to the long targets, and so do the replicated groups with their checker, drills and consistency points, which wait for minutes
# of schedules (make test-groups, make test-drills).
ceph() { # part port arguments
  RBD_REPLICATION_TEST_PORT=$2 run "$1" RbdReplication.CephTests -explicit off "${@:3}"
}
faults='RbdReplication.CephTests.Faults' relocation='RbdReplication.CephTests.Relocation' groups='*.Group*'
drills='*DrillTests' points='*.Point*'
ceph faults 21300 -namespace "$faults" &
ceph relocation 21500 -namespace "$relocation" -class- "$groups" &
ceph calls 21700 -namespace- "$faults" -namespace- "$relocation" -class- "$groups" -class- "$drills" -class- "$points" &
wait

total=0 failed=0 skipped=0
for part in units faults relocation calls; do
  # The runner's summary: Total: 12, Errors: 0, Failed: 0, Skipped: 0, Not Run: 0, Time: 1.2s
  summary=$(grep -oE 'Total: [0-9]+, Errors: [0-9]+, Failed: [0-9]+, Skipped: [0-9]+, Not Run: [0-9]+' "$results/$part.log" | tail -n 1) || true
  read -r t e f s n <<<"$(tr -dc '0-9 ' <<<"${summary:-0 0 0 0 0}")"
  if [[ -z $summary ]] || { (( $(<"$results/$part.code") != 0 )) && (( f + e == 0 )); }; then
    echo "$part: the program did not run to its end; see $results/$part.log" >&2
    t=$((t + 1)) f=$((f + 1))
  fi
  [[ $part == units ]] || t=$((t - n)) n=0
  total=$((total + t)) failed=$((failed + f + e)) skipped=$((skipped + s + n))
done
grep -h '\[FAIL\]' "$results"/*.log || true
echo "$((total - failed - skipped)) passed, $failed failed, $skipped skipped"
(( failed == 0 && total > 0 ))
