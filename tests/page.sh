#!/usr/bin/env bash
# The tests of the page in a real browser; those with readings of the tests' own first.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v chromium >/dev/null; then
  (( EUID == 0 )) || { echo "page.sh: needs root to install chromium" >&2; exit 1; }
  echo "installing chromium"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q update >/dev/null && apt-get -q install -y --no-install-recommends chromium >/dev/null
fi
export RBD_REPLICATION_BINARY=$PWD/artifacts/publish/rbd-replication
if [[ ${PICTURE-} ]]; then export RBD_REPLICATION_WRITE_DOCS=1; fi
for project in RbdReplication.Tests RbdReplication.CephTests; do
  dotnet build "tests/$project" -nologo -v quiet -clp:ErrorsOnly -c Release
done
tests/RbdReplication.Tests/bin/Release/net10.0/RbdReplication.Tests -noLogo -noColor -explicit only -namespace RbdReplication.Tests.Browser
tests/RbdReplication.CephTests/bin/Release/net10.0/RbdReplication.CephTests -noLogo -noColor -explicit only -class RbdReplication.CephTests.PageTests
