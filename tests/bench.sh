#!/usr/bin/env bash
# Runs the benchmarks on a sandbox of its own and prints their tables; the plot goes to artifacts/. PARTS chooses some of
# micro, rpc, fleet, listing, reading, growth, forward, group, rollback, drill and omap; LISTING, READING, GROWTH, FLEET, GROUP, DRILL and OMAP are sizes, ROUNDS
# how often omap is measured, PROFILE=fast shortens the timers of monitors and daemons. Each part adds volumes to the pool.
set -euo pipefail
cd "$(dirname "$0")/.."

sandbox=artifacts/bench-sandbox
export RBD_REPLICATION_BINARY=$PWD/artifacts/publish/rbd-replication
benchmarks=tests/RbdReplication.Benchmarks/bin/Release/net10.0/RbdReplication.Benchmarks
trap 'tests/sandbox/two-sites.sh down "$sandbox" --purge >/dev/null' EXIT

dotnet build tests/RbdReplication.Benchmarks -nologo -v quiet -clp:ErrorsOnly -c Release
tests/sandbox/two-sites.sh up "$sandbox" --port "${PORT:-24200}" --"${PROFILE:-realistic}" --store bluestore >"$sandbox.log"
read -ra listing <<<"${LISTING:-500}"
read -ra reading <<<"${READING:-100 1000}"
read -ra growth <<<"${GROWTH:-100 1000}"
read -ra group <<<"${GROUP:-8 64}"
read -ra drill <<<"${DRILL:-1 8 64}"
read -ra omap <<<"${OMAP:-2000 10000 20000}"
for part in ${PARTS:-micro rpc growth fleet listing reading forward group rollback drill omap}; do
  printf '\n== %s\n' "$part"
  case $part in
    micro) "$benchmarks" micro "$sandbox" ;;
    rpc) "$benchmarks" rpc "$sandbox" "${CALLS:-320}" ;;
    fleet) "$benchmarks" fleet "$sandbox" "${FLEET:-200}" ;;
    listing) "$benchmarks" listing "$sandbox" "${listing[@]}" ;;
    reading) "$benchmarks" reading "$sandbox" "${reading[@]}" ;;
    growth) "$benchmarks" growth "$sandbox" artifacts/growth.svg "${growth[@]}" ;;
    forward) "$benchmarks" forward "${CALLS:-2000}" ;;
    group) "$benchmarks" group "$sandbox" "${group[@]}" ;;
    rollback) "$benchmarks" rollback "$sandbox" ;;
    drill) "$benchmarks" drill "$sandbox" "${drill[@]}" ;;
    omap) "$benchmarks" omap "$sandbox" "${ROUNDS:-3}" "${omap[@]}" ;;
    *) echo "bench: there is no part $part" >&2; exit 2 ;;
  esac
done
