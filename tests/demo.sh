#!/usr/bin/env bash
# The main job on two real Ceph clusters: protect a volume at site-a, lose site-a, fail over to site-b.
# Prints a timeline; ends with a non-zero status and the reason if any step fails; leaves nothing running.
set -Eeuo pipefail
cd "$(dirname "$0")/.."

binary=$PWD/artifacts/publish/rbd-replication
dir=$PWD/artifacts/demo-sandbox
port=${DEMO_PORT:-21600}
pool=replicapool
servers=()
step_started=$EPOCHREALTIME
started=$EPOCHREALTIME

seconds_since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%5.1f", b - a }'; }
say() { printf '%ss  %s\n' "$(seconds_since "$started")" "$*"; }
done_() { printf '        %s (%s s)\n' "$*" "$(seconds_since "$step_started" | tr -d ' ')"; }
step() { step_started=$EPOCHREALTIME; say "$*"; }
fail() { echo "demo failed: $*" >&2; exit 1; }
trap 'fail "line $LINENO: $BASH_COMMAND"' ERR

clean_up() {
  local status=$?
  trap - ERR
  for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  tests/sandbox/two-sites.sh down "$dir" --purge >/dev/null || true
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

at() { local site=$1; shift; "$@" -c "$dir/$site/ceph.conf"; } # site tool...: the ceph and rbd tools as admin
pool_id() { at "$1" ceph osd lspools | awk -v pool="$pool" '$2 == pool { print $1 }'; }
port_of() { [[ $1 == site-a ]] && echo "$port" || echo $((port + 100)); }
rpc() { # site method options...
  local site=$1 method=$2; shift 2
  "$binary" call "$method" --volume "$handle" --csi-addons-endpoint "unix://$dir/$site.sock" --secret-file "$dir/$site.secret" "$@"
}
digest() { at "$1" rbd export --no-progress "$pool/$image" - 2>/dev/null | sha256sum | cut -c1-16; }
field() { sed -n "s/^ *\"$1\": *\"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p"; }

tests/sandbox/two-sites.sh down "$dir" --purge >/dev/null
step "start two one-node Ceph clusters that mirror pool $pool to each other"
tests/sandbox/two-sites.sh up "$dir" --port "$port" --fast --store bluestore --pools "$pool" >"$dir.log" || fail "$(tail -n 3 "$dir.log")"
rm -f "$dir.log"
done_ "site-a and site-b are healthy: $(ceph --version | cut -d' ' -f1-3)"

step "start rbd-replication serve at both sites"
printf '[{"clusterIDMapping":{"site-a":"site-b"},"RBDPoolIDMapping":[{"%s":"%s"}]}]\n' "$(pool_id site-a)" "$(pool_id site-b)" >"$dir/mapping.json"
for site in site-a site-b; do
  p=$(port_of "$site")
  printf '[{"clusterID":"%s","monitors":["[v2:127.0.0.1:%s,v1:127.0.0.1:%s]"]}]\n' "$site" "$p" "$((p + 1))" >"$dir/$site.json"
  (umask 077; printf 'userID=csi\nuserKey=%s\n' "$(at "$site" ceph auth get-key client.csi)" >"$dir/$site.secret")
  "$binary" serve --csi-addons-endpoint "unix://$dir/$site.sock" --http-endpoint "" --log-format text \
    --cluster-config "$dir/$site.json" --cluster-mapping "$dir/mapping.json" 2>"$dir/$site.log" &
  servers+=($!)
  for ((i = 0; i < 100; i++)); do
    "$binary" call Probe --csi-addons-endpoint "unix://$dir/$site.sock" >/dev/null 2>&1 && break
    kill -0 "${servers[-1]}" 2>/dev/null || fail "the server at $site ended: $(cat "$dir/$site.log")"
  done
done
done_ "$("$binary" call GetIdentity --csi-addons-endpoint "unix://$dir/site-a.sock" | field vendorVersion) answers on both sockets"

uuid=$(cat /proc/sys/kernel/random/uuid)
image=csi-vol-$uuid
step "site-a: an image with 24 MiB of data becomes a CSI volume"
head -c 24M /dev/urandom >"$dir/data"
at site-a rbd import --no-progress --image-feature layering "$dir/data" "$pool/$image" >/dev/null
"$binary" volume import --cluster-config "$dir/site-a.json" --cluster-id site-a --pool "$pool" --image "$image" --secret-file "$dir/site-a.secret" >"$dir/pv.yaml"
handle=$(sed -n 's/^ *volumeHandle: "\(.*\)"$/\1/p' "$dir/pv.yaml")
done_ "volume handle $handle"

step "site-a: EnableVolumeReplication, PromoteVolume with a snapshot every minute"
rpc site-a EnableVolumeReplication >/dev/null
rpc site-a PromoteVolume -p schedulingInterval=1m >/dev/null
done_ "$(at site-a rbd mirror snapshot schedule ls --pool "$pool" --image "$image")"

step "site-a: the application writes 4 MiB, and a mirror snapshot is taken"
at site-a rbd bench --io-type write --io-pattern rand --io-size 64K --io-total 4M --rbd-cache=false "$pool/$image" >/dev/null
written=$(digest site-a)
taken=$(date -u +%Y-%m-%dT%H:%M:%S)
at site-a rbd mirror image snapshot "$pool/$image" >/dev/null
done_ "content at site-a $written"

step "wait until GetVolumeReplicationInfo reports that snapshot at site-b (Ceph reports every 30 s)"
while :; do
  info=$(rpc site-a GetVolumeReplicationInfo 2>/dev/null || true)
  synced=$(field lastSyncTime <<<"$info")
  [[ -n $synced && ! ${synced%Z} < $taken ]] && break
  (( ${EPOCHREALTIME%.*} - ${step_started%.*} < 90 )) || fail "no sync was reported: $(rpc site-a GetVolumeReplicationInfo 2>&1 || true)"
  sleep 1
done
done_ "last sync $synced, $(field lastSyncBytes <<<"$info") bytes, status $(field status <<<"$info")"

step "site-a: 1 MiB more is written and not yet replicated; then the site is lost (kill -9 of every daemon)"
at site-a rbd bench --io-type write --io-pattern rand --io-size 64K --io-total 1M --rbd-cache=false "$pool/$image" >/dev/null
tests/sandbox/two-sites.sh stop "$dir" site-a all kill >/dev/null
done_ "site-a is gone"

step "site-b: PromoteVolume, repeated as the controller does"
last='' code=''
while [[ $code != FAILED_PRECONDITION ]]; do
  if answer=$(rpc site-b PromoteVolume 2>&1); then fail "an unforced promote succeeded while the peer was lost"; fi
  code=$(sed -n 's/^rbd-replication: \([A-Z_]*\): .*/\1/p' <<<"$answer")
  [[ $code == "$last" ]] || printf '        %s%s\n' "$code" "$(sed 's/.*: \(site-a .*\)/: \1/' <<<"$answer")"
  last=$code
  case $code in FAILED_PRECONDITION) ;; ABORTED | UNAVAILABLE) sleep 2 ;; *) fail "unexpected answer: $answer" ;; esac
  (( ${EPOCHREALTIME%.*} - ${step_started%.*} < 90 )) || fail "no FAILED_PRECONDITION within 90 s: $answer"
done
done_ "the peer is known to be dead"

step "site-b: PromoteVolume with force"
rpc site-b PromoteVolume --force >/dev/null
done_ "site-b is primary"

step "site-b: compare the data with what was synced, and write"
found=$(digest site-b)
[[ $found == "$written" ]] || fail "site-b holds $found, and $written was synced"
at site-b rbd bench --io-type write --io-pattern rand --io-size 64K --io-total 1M --rbd-cache=false "$pool/$image" >/dev/null
done_ "content at site-b $found: all that was synced; new writes go to site-b"
say "done"
