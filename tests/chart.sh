#!/usr/bin/env bash
# Checks the Helm chart with helm itself: lint, the schema, and that it renders what the other tests have read in the templates.
# `make test` does the same among all other tests.
set -euo pipefail
cd "$(dirname "$0")/.."

RBD_REPLICATION_HELM=$(tests/helm.sh)
export RBD_REPLICATION_HELM
echo "helm $("$RBD_REPLICATION_HELM" version --short)"
dotnet build tests/RbdReplication.Tests -nologo -v quiet -clp:ErrorsOnly -c Release
tests/RbdReplication.Tests/bin/Release/net10.0/RbdReplication.Tests -noLogo -noColor -explicit only -class RbdReplication.Tests.Deploy.HelmTests
