.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

SANDBOX := artifacts/sandbox
PUBLISH := artifacts/publish
BINARY := $(PUBLISH)/rbd-replication
IMAGE ?= rbd-replication:dev
SOURCES := $(shell find src proto -type f -not -path '*/obj/*' -not -path '*/bin/*') Directory.Build.props Directory.Packages.props global.json

.PHONY: help deps build publish test check-relocation check-groups test-groups test-drills test-page test-kubernetes test-matrix bench soak demo demo-kubernetes figures image test-image test-chart lint fmt sandbox-up sandbox-down clean

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

deps: ## Install what the sandbox and the Native AOT link need, from Debian's packages
	@tests/sandbox/install.sh

build: ## Build everything
	dotnet build -nologo -v quiet -clp:ErrorsOnly

publish: deps $(BINARY) ## Native AOT binary at artifacts/publish/rbd-replication

$(BINARY): $(SOURCES)
	dotnet publish src/RbdReplication.Csi -nologo -v quiet -c Release -r linux-x64 -o $(PUBLISH)
	rm -f $(PUBLISH)/*.xml $(PUBLISH)/*.pdb $(PUBLISH)/*.dbg $(PUBLISH)/*.json
	touch $(BINARY)

test: publish ## Every test, those on real Ceph included; ends with one line of counts
	@tests/run.sh

check-relocation: publish ## Move volumes at random with faults, as a controller does: MINUTES=10 SEED=… MODE=snapshot|journal PROFILE=fast|realistic
	dotnet build tests/RbdReplication.CephTests -nologo -v quiet -clp:ErrorsOnly -c Release
	RBD_REPLICATION_BINARY=$(CURDIR)/$(BINARY) RBD_REPLICATION_TEST_PROFILE=$(or $(PROFILE),fast) \
	RELOCATION_SECONDS=$$(( $(or $(MINUTES),10) * 30 )) RELOCATION_SEED=$(SEED) RELOCATION_MODE=$(MODE) \
	tests/RbdReplication.CephTests/bin/Release/net10.0/RbdReplication.CephTests -noLogo -noColor -showLiveOutput \
	  -class RbdReplication.CephTests.Relocation.RelocationCheckerTests

check-groups: publish ## Write to volume groups under faults, then move them or lose their site: MINUTES=10 SEED=… MEMBERS=… (else 2, 8 and 32 in turn)
	dotnet build tests/RbdReplication.CephTests -nologo -v quiet -clp:ErrorsOnly -c Release
	RBD_REPLICATION_BINARY=$(CURDIR)/$(BINARY) GROUP_MINUTES=$(MINUTES) GROUP_SEED=$(SEED) GROUP_MEMBERS=$(MEMBERS) \
	tests/RbdReplication.CephTests/bin/Release/net10.0/RbdReplication.CephTests -noLogo -noColor -showLiveOutput -explicit only \
	  -class RbdReplication.CephTests.Relocation.GroupCheckerTests

test-groups: publish ## The tests of replicated volume groups on real Ceph, which wait for their schedules, and the short form of check-groups
	dotnet build tests/RbdReplication.CephTests -nologo -v quiet -clp:ErrorsOnly -c Release
	RBD_REPLICATION_BINARY=$(CURDIR)/$(BINARY) \
	tests/RbdReplication.CephTests/bin/Release/net10.0/RbdReplication.CephTests -noLogo -noColor -explicit off -class '*.Group*'

test-drills: publish ## The tests of drills and of consistency points on real Ceph
	dotnet build tests/RbdReplication.CephTests -nologo -v quiet -clp:ErrorsOnly -c Release
	RBD_REPLICATION_BINARY=$(CURDIR)/$(BINARY) \
	tests/RbdReplication.CephTests/bin/Release/net10.0/RbdReplication.CephTests -noLogo -noColor -explicit off -class '*DrillTests' -class '*.Point*'

test-page: publish ## The page of `serve` in a headless Chromium, with readings that the tests make and on real Ceph; installs chromium (PICTURE=1: take docs/page.png again)
	@tests/page.sh

test-kubernetes: deps ## The tests on two real Kubernetes API servers beside two Ceph sites; builds the API server the first time
	@tests/kubernetes/binaries.sh >/dev/null
	dotnet build tests/RbdReplication.KubernetesTests -nologo -v quiet -clp:ErrorsOnly -c Release
	RBD_REPLICATION_TEST_PORT=$${RBD_REPLICATION_TEST_PORT:-24000} \
	tests/RbdReplication.KubernetesTests/bin/Release/net10.0/RbdReplication.KubernetesTests -noLogo -noColor

test-matrix: publish ## The tests on real Ceph with Ceph 18.2 and 20.2, clusters and libraries, in roots that it makes (SUITES="trixie sid")
	@tests/matrix.sh

bench: publish ## Measure calls, fleets, listings, growth, volume groups, drills and the omap generator on two real Ceph sites with Ceph's own timers (PROFILE=fast: short ones); prints tables
	@tests/bench.sh

soak: publish ## The long forms of kills, faults, a lagging peer, calls and polling: PARTS="kills faults lagging calls poll" KILL_ROUNDS=50 FAULT_ROUNDS=5 LAGGING_VOLUMES=20 LAGGING_MINUTES=10 CALLS=100000 VOLUMES=2000 MINUTES=10
	@tests/soak.sh

demo: publish ## Protect a volume on one real Ceph site, lose the site, fail over to the other
	@tests/demo.sh

image: ## Container image rbd-replication:dev, with docker, podman or buildah (IMAGE and IMAGE_OPTIONS to change it)
	@for tool in docker podman buildah; do \
	  if $$tool info >/dev/null 2>&1; then exec $$tool build $(IMAGE_OPTIONS) -t $(IMAGE) .; fi; \
	done; echo "image: none of docker, podman and buildah works here" >&2; exit 1

test-image: publish ## Build the image with local stand-ins for its bases, and start it against two real Ceph sites
	@tests/image.sh

test-chart: deps ## Render the Helm chart with helm itself and compare it with what the tests read
	@tests/chart.sh

demo-kubernetes: publish ## The guide's procedures by `rbd-replication dr`, on two real Kubernetes API servers and two real Ceph sites
	dotnet build tests/RbdReplication.KubernetesTests -nologo -v quiet -clp:ErrorsOnly -c Release
	@tests/demo-kubernetes.sh

figures: publish ## Measure the binary: size, start, idle memory
	@python3 tests/figures.py

lint: ## Formatting and warnings
	dotnet format --verify-no-changes
	dotnet build -nologo -v quiet -clp:ErrorsOnly

fmt: ## Format the code
	dotnet format

sandbox-up: deps ## Two real one-node Ceph clusters that mirror each other, in artifacts/sandbox
	@tests/sandbox/two-sites.sh up $(SANDBOX) $(SANDBOX_OPTIONS)

sandbox-down: ## Stop them and remove their data
	@tests/sandbox/two-sites.sh down $(SANDBOX) --purge

clean: sandbox-down ## Remove everything that was made
	rm -rf artifacts
	find src tests -type d \( -name bin -o -name obj \) -prune -exec rm -rf {} +
