#!/usr/bin/env bash
# Runs the tests on real Ceph, groups, drills and points included, with the clusters and client libraries of other releases: 18.2 (Debian trixie) and 20.2
# (Debian sid), each in a root directory of its own. SUITES, ROOTS and TEST_OPTIONS change what is run.
set -euo pipefail
cd "$(dirname "$0")/.."

roots=${ROOTS:-artifacts/roots}
tests=tests/RbdReplication.CephTests/bin/Release/net10.0/RbdReplication.CephTests
dotnet=$(dirname "$(readlink -f "$(command -v dotnet)")")
results=artifacts/test-results
mkdir -p "$results"
dotnet build tests/RbdReplication.CephTests -nologo -v quiet -clp:ErrorsOnly -c Release

# Makes the roots.
command -v debootstrap >/dev/null || { apt-get -q update && apt-get -q install -y --no-install-recommends debootstrap; } >"$results/debootstrap.log" 2>&1

failed=0
for suite in ${SUITES:-trixie sid}; do
  root=$(realpath -m "$roots/$suite")
  EXTRA_PACKAGES="nftables iproute2 procps util-linux libssl3t64" tests/sandbox/two-sites.sh mkroot "$suite" "$root" >"$results/$suite.root.log" 2>&1 ||
    { tail -n 5 "$results/$suite.root.log" >&2; exit 1; }
  release=$(chroot "$root" ceph --version | cut -d' ' -f1-3)
  # The mounts are seen by this shell and its children only, and end with it.
  code=0
  unshare --mount --propagation private bash -ec '
    root=$1 dotnet=$2; shift 2
    # A mount point, as a root directory is elsewhere: tests change how mounts below it propagate.
    mount --bind "$root" "$root"
    for folder in /proc /sys /dev /run /tmp "$dotnet" "$PWD"; do
      mkdir -p "$root$folder"
      mount --rbind "$folder" "$root$folder"
    done
    exec chroot "$root" env -C "$PWD" DOTNET_ROOT="$dotnet" DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 \
      RBD_REPLICATION_BINARY="$PWD/artifacts/publish/rbd-replication" "$@"' \
    bash "$root" "$dotnet" "$PWD/$tests" -noLogo -noColor ${TEST_OPTIONS-} >"$results/$suite.log" 2>&1 || code=$?
  summary=$(grep -oE 'Total: [0-9]+, Errors: [0-9]+, Failed: [0-9]+, Skipped: [0-9]+' "$results/$suite.log" | tail -n 1) || summary="did not run to its end, see $results/$suite.log"
  echo "$suite, $release: $summary"
  (( code == 0 )) || failed=1
done
exit "$failed"
