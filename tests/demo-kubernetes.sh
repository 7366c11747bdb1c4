#!/usr/bin/env bash
# The guide's procedures as commands, on two real Kubernetes API servers with their controllers and two real Ceph clusters:
# protect, relocate, failback, a rehearsal, a disaster, failover, recovery, all by `rbd-replication dr`. There are no nodes, and the CSI-Addons
# controller is played as it calls us (tests/RbdReplication.KubernetesTests). Prints the timelines; ends with a non-zero status and
# the reason if a step fails; leaves nothing running.
set -Eeuo pipefail
cd "$(dirname "$0")/.."

binary=${RBD_REPLICATION_BINARY:-$PWD/artifacts/publish/rbd-replication}
player=${PLAYER:-$PWD/tests/RbdReplication.KubernetesTests/bin/Release/net10.0/RbdReplication.KubernetesTests}
dir=$PWD/artifacts/demo-kubernetes
ceph=$dir/ceph
kube=$dir/kubernetes
port=${DEMO_PORT:-21600}
pool=replicapool
# The controller waits a fifth of its times, so that nobody waits for it.
pace=0.2
started=$EPOCHREALTIME
declare -A pids=()

fail() { echo "demo failed: $*" >&2; tail -n 20 "$dir"/*.log >&2 2>/dev/null || true; exit 1; }
trap 'fail "line $LINENO: $BASH_COMMAND"' ERR
clean_up() {
  local status=$? name
  trap - ERR
  for name in "${!pids[@]}"; do kill "${pids[$name]}" 2>/dev/null || true; done
  wait
  tests/kubernetes/clusters.sh down "$kube" --purge >/dev/null || true
  tests/sandbox/two-sites.sh down "$ceph" --purge >/dev/null || true
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

say() { printf '\n# %s (%s s)\n' "$*" "$(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.0f", b - a }')"; }
show() { printf '$ %s\n' "${*/#$binary/rbd-replication}"; "$@"; }
dr() { show "$binary" dr "$@" -n app; }
at() { local site=$1; shift; "$@" -c "$ceph/$site/ceph.conf"; }
on() { local site=$1; shift; kubectl --kubeconfig "$kube/kubeconfig" --context "$site" "$@"; }
pool_id() { at "$1" ceph osd lspools | awk -v pool="$pool" '$2 == pool { print $1 }'; }
port_of() { [[ $1 == site-a ]] && echo "$port" || echo $((port + 100)); }
digest() { at "$1" rbd export --no-progress "$pool/$image" - 2>/dev/null | sha256sum | cut -c1-16; }
write() { at "$1" rbd bench --io-type write --io-pattern rand --io-size 64K --io-total "$2" --rbd-cache=false "$pool/$image" >/dev/null; }
start() { # name command...
  local name=$1; shift
  "$@" >>"$dir/$name.log" 2>&1 &
  pids[$name]=$!
}
serve() { # site: our server, the omap generator and the played controller
  local site=$1
  start "$site-serve" "$binary" serve --csi-addons-endpoint "unix://$dir/$site.sock" --http-endpoint "" --log-format text \
    --cluster-config "$dir/$site.json" --cluster-mapping "$dir/mapping.json"
  start "$site-generator" "$binary" omap-generator --kubeconfig "$kube/$site/kubeconfig" --leader-election-namespace ceph-csi --http-endpoint "" \
    --log-format text --cluster-config "$dir/$site.json" --cluster-mapping "$dir/mapping.json"
  start "$site-controller" "$player" --play-controller "$kube/kubeconfig" "$site" "$dir/$site.sock" "$pace"
}
await() { # seconds what command...
  local end=$(( ${EPOCHREALTIME%.*} + $1 )) what=$2; shift 2
  until "$@" >/dev/null 2>&1; do (( ${EPOCHREALTIME%.*} < end )) || fail "$what"; sleep 0.5; done
}

mkdir -p "$dir"
tests/kubernetes/clusters.sh down "$kube" --purge >/dev/null
tests/sandbox/two-sites.sh down "$ceph" --purge >/dev/null
rm -f "$dir"/*.log
export KUBECONFIG=$kube/kubeconfig

say "two Ceph clusters that mirror pool $pool to each other, and beside each a Kubernetes API server with its controllers"
tests/sandbox/two-sites.sh up "$ceph" --port "$port" --fast --store bluestore --pools "$pool" >"$dir/sandbox.log" || fail "the Ceph clusters did not start"
tests/kubernetes/clusters.sh up "$kube" --port $((port + 250)) >"$dir/clusters.log" 2>&1 || fail "the Kubernetes API servers did not start"
printf '[{"clusterIDMapping":{"site-a":"site-b"},"RBDPoolIDMapping":[{"%s":"%s"}]}]\n' "$(pool_id site-a)" "$(pool_id site-b)" >"$dir/mapping.json"
for site in site-a site-b; do
  p=$(port_of "$site")
  printf '[{"clusterID":"%s","monitors":["[v2:127.0.0.1:%s,v1:127.0.0.1:%s]"]}]\n' "$site" "$p" "$((p + 1))" >"$dir/$site.json"
  key=$(at "$site" ceph auth get-key client.csi)
  (umask 077; printf 'userID=csi\nuserKey=%s\n' "$key" >"$dir/$site.secret")
  on "$site" create namespace ceph-csi >/dev/null
  on "$site" create namespace app >/dev/null
  on "$site" -n ceph-csi create secret generic csi-rbd-secret --from-literal=userID=csi --from-literal=userKey="$key" >/dev/null
  on "$site" -n ceph-csi create configmap ceph-csi-config --from-file=config.json="$dir/$site.json" --from-file=cluster-mapping.json="$dir/mapping.json" >/dev/null
  sed 's/schedulingInterval: 5m/schedulingInterval: 1m/' deploy/examples/volume-replication-class.yaml >"$dir/class.yaml"
  # An API server breaks requests for a custom resource off for some seconds after it has said that it is established.
  await 30 "$site takes no class" on "$site" apply -f deploy/examples/05-storage-class.yaml -f "$dir/class.yaml"
  serve "$site"
done

say "site-a: a claim with 24 MiB of data, and an application that uses it"
uuid=$(cat /proc/sys/kernel/random/uuid)
image=csi-vol-$uuid
head -c 24M /dev/urandom >"$dir/data"
at site-a rbd import --no-progress --image-feature layering,exclusive-lock "$dir/data" "$pool/$image" >/dev/null
"$binary" volume import --cluster-config "$dir/site-a.json" --cluster-id site-a --pool "$pool" --image "$image" --secret-file "$dir/site-a.secret" \
  --pv-name "pvc-$uuid" --storage-class rbd-replicated --secret-name csi-rbd-secret --secret-namespace ceph-csi --pvc-namespace app --pvc-name data >"$dir/pv.yaml"
on site-a apply -f "$dir/pv.yaml" >/dev/null
on site-a apply -f - >/dev/null <<YAML
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: app}
spec: {accessModes: [ReadWriteOnce], storageClassName: rbd-replicated, volumeName: pvc-$uuid, resources: {requests: {storage: 24Mi}}}
YAML
for site in site-a site-b; do
  replicas=0; [[ $site == site-b ]] || replicas=2
  on "$site" apply -f - >/dev/null <<YAML
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: app}
spec:
  replicas: $replicas
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers: [{name: shop, image: shop}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
YAML
done
bound() { [[ $(on "$1" -n app get pvc data -o jsonpath='{.status.phase}') == Bound ]]; }
await 60 "the claim is not bound" bound site-a

say "protect"
dr protect data --context site-a --peer-context site-b --class rbd-every-5m
await 240 "nothing was synced" "$binary" dr status data -n app --context site-a --peer-context site-b
dr status --context site-a --peer-context site-b
show "$binary" dr backup "$dir/saved" -n app --context site-a
show "$binary" dr restore "$dir/saved" --context site-b

say "relocate: every write goes with the claim"
write site-a 1M
written=$(digest site-a)
dr relocate data --context site-a --peer-context site-b --dry-run --scale-down --scale-up
dr relocate data --context site-a --peer-context site-b --scale-down --scale-up
[[ $(digest site-b) == "$written" ]] || fail "site-b does not hold what site-a had"
echo "site-b holds every byte of site-a ($written)"

say "and back"
write site-b 1M
written=$(digest site-b)
dr relocate data --context site-b --peer-context site-a --scale-down --scale-up
[[ $(digest site-a) == "$written" ]] || fail "site-a does not hold what site-b had"
echo "site-a holds every byte of site-b ($written)"

say "rehearse a failover at site-b, which goes on following"
handle=$(on site-a get pv "pvc-$uuid" -o jsonpath='{.spec.csi.volumeHandle}')
# In the place of kubectl exec into our pod: there are no nodes.
printf '#!/bin/sh\nexec %q "$@" --cluster-config %q --cluster-mapping %q\n' "$binary" "$dir/site-b.json" "$dir/mapping.json" >"$dir/in-pod"
chmod +x "$dir/in-pod"
show "$binary" drill point audit --volume "$handle" --wait --cluster-config "$dir/site-a.json" --cluster-mapping "$dir/mapping.json" --secret-file "$dir/site-a.secret"
written=$(digest site-a)
write site-a 1M
dr drill q4 data --point audit --context site-b --exec "$dir/in-pod"
clone=$("$dir/in-pod" drill list --secret-file "$dir/site-b.secret" -o json | jq -r '.drills[0].volumes[0].image')
[[ $(image=$clone digest site-b) == "$written" ]] || fail "the clone is not what the point is"
echo "the clone holds every byte of the point ($written)"
dr drill q4 --remove --context site-b --exec "$dir/in-pod"

say "disaster: every process of site-a is killed, Ceph's, Kubernetes' and ours"
await 240 "nothing was synced" "$binary" dr status data -n app --context site-a --peer-context site-b
dr protect data --context site-a --peer-context site-b
copied() { [[ $(digest site-b) == "$(digest site-a)" ]]; }
await 240 "the last write was not synced" copied
written=$(digest site-a)
write site-a 1M
for name in serve generator controller; do kill -9 "${pids[site-a-$name]}"; unset "pids[site-a-$name]"; done
tests/kubernetes/clusters.sh stop "$kube" site-a all kill >/dev/null
tests/sandbox/two-sites.sh stop "$ceph" site-a all kill >/dev/null
dr failover data --context site-b --peer-context site-a --scale-up
[[ $(digest site-b) == "$written" ]] || fail "site-b does not hold what was synced"
echo "site-b holds all that was synced ($written)"
write site-b 1M

say "recovery: site-a is back"
tests/sandbox/two-sites.sh start "$ceph" site-a all >/dev/null
tests/kubernetes/clusters.sh start "$kube" site-a all >/dev/null
serve site-a
tests/sandbox/two-sites.sh stop "$ceph" site-b mirror kill >/dev/null   # as the guide says: one that hung on the lost site copies nothing
tests/sandbox/two-sites.sh start "$ceph" site-b mirror >/dev/null
dr status --context site-b --peer-context site-a || true
written=$(digest site-b)
dr failback data --context site-b --peer-context site-a --discard-peer-data --scale-down --scale-up
[[ $(digest site-a) == "$written" ]] || fail "site-a does not hold what site-b had"
echo "site-a holds every byte of site-b ($written)"

say "take it out of replication"
dr unprotect data --context site-a --peer-context site-b
say "done"
