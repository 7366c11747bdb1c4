#!/usr/bin/env bash
# Builds and runs every test and ends with one line: N passed, N failed, N skipped. Only the tests that ask helm are skipped, and only
# where there is neither helm nor a way to fetch it.
set -euo pipefail
cd "$(dirname "$0")/.."

export RBD_REPLICATION_BINARY=$PWD/artifacts/publish/rbd-replication
results=artifacts/test-results
mkdir -p "$results"
dotnet build -nologo -v quiet -clp:ErrorsOnly -c Release

# The tests that ask helm are marked explicit.
explicit=off
if helm=$(tests/helm.sh); then
  export RBD_REPLICATION_HELM=$helm
  explicit=on
fi

total=0 failed=0 skipped=0 broken=0
for project in RbdReplication.Tests RbdReplication.CephTests; do
  log=$results/$project.log
  code=0
  # What is explicit there belongs to the long targets.
  [[ $project == RbdReplication.Tests ]] || explicit=off
  "tests/$project/bin/Release/net10.0/$project" -noLogo -noColor -explicit "$explicit" ${TEST_OPTIONS-} 2>&1 | tee "$log" || code=$?
  # The runner's summary: Total: 12, Errors: 0, Failed: 0, Skipped: 0, Not Run: 0, Time: 1.2s
  if summary=$(grep -oE 'Total: [0-9]+, Errors: [0-9]+, Failed: [0-9]+, Skipped: [0-9]+, Not Run: [0-9]+' "$log" | tail -n 1) && [[ -n $summary ]]; then
    read -r t e f s n <<<"$(tr -dc '0-9 ' <<<"$summary")"
    [[ $project == RbdReplication.Tests ]] || t=$((t - n)) n=0
    total=$((total + t)) failed=$((failed + f + e)) skipped=$((skipped + s + n))
    (( code == 0 || f + e > 0 )) || broken=1
  else
    broken=1
  fi
done
if (( broken )); then
  echo "a test program did not run to its end; see $results" >&2
  failed=$((failed + 1)) total=$((total + 1))
fi
echo "$((total - failed - skipped)) passed, $failed failed, $skipped skipped"
(( failed == 0 && total > 0 ))
