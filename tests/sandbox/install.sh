#!/usr/bin/env bash
# Installs, if missing, what the sandbox (Ceph daemons, packet filter), the manifest tests (kubectl), the driver of the
# forwarding tests (grpcio) and the Native AOT link (gcc, zlib) need.
set -euo pipefail

missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); } # command package
need ceph-mon ceph-mon
need ceph-mgr ceph-mgr
need ceph-osd ceph-osd
need ceph ceph-common
need rbd-mirror rbd-mirror
need nft nftables
need ss iproute2
need setpriv util-linux
need kubectl kubernetes-client
need gcc gcc
/usr/bin/python3 -c 'import grpc' 2>/dev/null || missing+=(python3-grpcio)
[[ -e /usr/include/zlib.h ]] || missing+=(zlib1g-dev)
(( ${#missing[@]} )) || exit 0

(( EUID == 0 )) || { echo "install.sh: needs root to install: ${missing[*]}" >&2; exit 1; }
echo "installing ${missing[*]}"
# The packages' own services must not start: the sandbox runs its daemons itself.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get -q update && apt-get -q install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "install.sh: apt-get failed, see $log" >&2
  exit 1
fi
rm -f "$log"
