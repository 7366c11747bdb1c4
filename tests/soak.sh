#!/usr/bin/env bash
# The long forms: kills, faults, a lagging peer, calls and polling, each on two real sites of its own. PARTS chooses some of kills,
# faults, lagging, calls and poll. Sizes: KILL_ROUNDS (4 kills of a server and one of a generator each), FAULT_ROUNDS,
# LAGGING_VOLUMES, LAGGING_MINUTES, CALLS, VOLUMES, MINUTES.
# Ends with the first part that fails.
set -euo pipefail
cd "$(dirname "$0")/.."

export RBD_REPLICATION_BINARY=$PWD/artifacts/publish/rbd-replication
export KILL_ROUNDS=${KILL_ROUNDS:-50} FAULT_ROUNDS=${FAULT_ROUNDS:-5}
benchmarks=tests/RbdReplication.Benchmarks/bin/Release/net10.0/RbdReplication.Benchmarks
tests=tests/RbdReplication.CephTests/bin/Release/net10.0/RbdReplication.CephTests
sandbox=artifacts/soak-sandbox
trap 'tests/sandbox/two-sites.sh down "$sandbox" --purge >/dev/null' EXIT

dotnet build tests/RbdReplication.CephTests -nologo -v quiet -clp:ErrorsOnly -c Release
dotnet build tests/RbdReplication.Benchmarks -nologo -v quiet -clp:ErrorsOnly -c Release

on_fresh_sites() { # arguments of the benchmarks before and after the sandbox
  tests/sandbox/two-sites.sh up "$sandbox" --port "${PORT:-24400}" --fast --store bluestore >"$sandbox.log"
  "$benchmarks" "$1" "$sandbox" "${@:2}"
  tests/sandbox/two-sites.sh down "$sandbox" --purge >/dev/null
}

for part in ${PARTS:-kills faults lagging calls poll}; do
  printf '\n== %s\n' "$part"
  case $part in
    kills) "$tests" -noLogo -noColor -diagnostics -method 'RbdReplication.CephTests.KillTests.*' \
      -method '*.A_writer_killed_at_any_time_leaves_nothing_that_the_next_one_cannot_complete' ;;
    faults) "$tests" -noLogo -noColor -diagnostics -class RbdReplication.CephTests.Faults.FaultMatrixTests \
      -class RbdReplication.CephTests.Faults.ServerFaultMatrixTests ;;
    lagging) "$tests" -noLogo -noColor -diagnostics -explicit only -class RbdReplication.CephTests.Faults.LaggingTests \
      -class RbdReplication.CephTests.SnapshotProcessTests ;;
    calls) on_fresh_sites soak-calls "${CALLS:-100000}" ;;
    poll) on_fresh_sites soak-poll "${VOLUMES:-2000}" "${MINUTES:-10}" ;;
    *) echo "soak: there is no part $part" >&2; exit 2 ;;
  esac
done
