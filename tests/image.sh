#!/usr/bin/env bash
# Builds the container image with local stand-ins for its two base images, reports its size by layer, and starts it as a
# pod would: not root, read-only root file system, no capability. Against two real Ceph sites `serve` answers Identity and
# replicates a volume until its first sync is reported; then what the processes have loaded is compared with what the image
# has. About ten minutes on two cores; needs root and 15 GiB in artifacts/image, of which 0.2 GiB stay for the next run.
set -Eeuo pipefail
cd "$(dirname "$0")/.."

work=$PWD/artifacts/image
sandbox=$work/sandbox
# Below the ports that Linux gives to outgoing connections.
port=${IMAGE_TEST_PORT:-23000}
limit_mib=150
image=localhost/rbd-replication:test
pool=replicapool
export BUILDAH_ISOLATION=chroot TMPDIR=$work/tmp
tool=(buildah --storage-driver "${STORAGE_DRIVER:-vfs}" --root "$work/storage" --runroot "$work/run")
processes=()

fail() { echo "test-image failed: $*" >&2; exit 1; }
trap 'fail "line $LINENO: $BASH_COMMAND"' ERR

# Runs a command in a process group of its own, so that everything it started can be ended with it.
grouped() {
  setsid "$@" &
  processes+=($!)
  wait $!
}
# What a build that was interrupted leaves in its root (a compiler server, say) is found by that root.
end_inmates() {
  local directory pid
  for directory in /proc/[0-9]*; do
    pid=${directory#/proc/}
    [[ $(readlink "$directory/root" 2>/dev/null) != "$work"/* ]] || kill -KILL "$pid" 2>/dev/null || true
  done
}
remove_storage() {
  local mounted
  end_inmates
  while read -r mounted; do umount "$mounted" || umount --lazy "$mounted"; done < <(awk -v under="$work/" 'index($5, under) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
  ! grep -qF " $work/" /proc/self/mountinfo || { echo "something is still mounted under $work; nothing is removed" >&2; return 1; }
  rm -rf "$work/storage" "$work/run" "$work/tmp" "$work/csi" "$work/config"
}
clean_up() {
  local status=$? pid
  trap - ERR INT TERM
  for pid in "${processes[@]}"; do kill -TERM -- "-$pid" 2>/dev/null || true; done
  for pid in "${processes[@]}"; do wait "$pid" 2>/dev/null || true; done
  tests/sandbox/two-sites.sh down "$sandbox" --purge >/dev/null || status=1
  remove_storage || status=1
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

missing=()
for program in buildah debootstrap openssl; do command -v "$program" >/dev/null || missing+=("$program"); done
if (( ${#missing[@]} )); then
  echo "installing ${missing[*]}"
  apt-get -q update >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "${missing[@]}" >/dev/null
fi
tests/sandbox/two-sites.sh down "$sandbox" --purge >/dev/null
remove_storage
mkdir -p "$TMPDIR"

commit() { # name, source folder, place in the image
  local c; c=$("${tool[@]}" from scratch)
  "${tool[@]}" add -q "$c" "$2" "$3" >/dev/null
  "${tool[@]}" commit -q --rm "$c" "$1" >/dev/null
}
echo "base images"
if [[ ! -f $work/debian.made ]]; then
  # Debian's minimal system, from the mirror that this machine uses: what a registry serves as debian:bookworm-slim.
  rm -rf "$work/debian"
  grouped debootstrap --variant=minbase bookworm "$work/debian" "$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)" >"$work/debootstrap.log" 2>&1 \
    || fail "$(tail -n 5 "$work/debootstrap.log")"
  touch "$work/debian.made"
fi
commit localhost/stand-in-debian "$work/debian" /
commit localhost/stand-in-sdk "$(dirname "$(readlink -f "$(command -v dotnet)")")" /usr/share/dotnet

echo "build"
# NuGet's settings and its cache, filled by `make publish`, are the machine's.
grouped "${tool[@]}" build --layers --volume "$HOME/.nuget:/root/.nuget" \
  --build-arg BASE_IMAGE=localhost/stand-in-debian --build-arg SDK_IMAGE=localhost/stand-in-sdk -t "$image" . >"$work/build.log" 2>&1 \
  || fail "$(tail -n 20 "$work/build.log")"

container=$("${tool[@]}" from --pull-never "$image")
root=$("${tool[@]}" mount "$container")
config() { "${tool[@]}" inspect --type image --format "$1" "$image"; }
mapfile -t environment < <(config '{{ range .OCIv1.Config.Env }}{{ println . }}{{ end }}' | grep .)
mapfile -t entry < <(config '{{ range .OCIv1.Config.Entrypoint }}{{ println . }}{{ end }}' | grep .)
mapfile -t command < <(config '{{ range .OCIv1.Config.Cmd }}{{ println . }}{{ end }}' | grep .)
user=$(config '{{ .OCIv1.Config.User }}')

echo "layers:"
"${tool[@]}" inspect --type image "$image" | python3 -c '
import glob, json, sys
image = json.load(sys.stdin)["OCIv1"]
sizes = {layer["diff-digest"]: layer["diff-size"] for file in glob.glob(sys.argv[1] + "/*-layers/layers.json") for layer in json.load(open(file)) if "diff-digest" in layer}
steps = [step["created_by"].split(" in ")[-1].strip() for step in image["history"] if not step.get("empty_layer")]
for step, digest in zip(steps, image["rootfs"]["diff_ids"], strict=True):
    print(f"  {sizes[digest] / 2**20:7.1f} MiB  {step}")' "$work/storage"
total=$(find "$root" -type f -printf '%s\n' | awk '{ bytes += $1 } END { printf "%d", bytes }')
awk -v bytes="$total" 'BEGIN { printf "  %7.1f MiB  in all\n", bytes / 1048576 }'
echo "largest files, of $(find "$root" -type f | wc -l):"
find "$root" -type f -printf '%s /%P\n' | sort -rn | awk 'NR <= 8 { printf "  %7.1f MiB  %s\n", $1 / 1048576, $2 }'
(( total <= limit_mib * 1048576 )) || fail "the image is larger than $limit_mib MiB"
shells=$(find "$root" \( -name sh -o -name '*sh' -o -name busybox \) -type f -perm /111)
[[ -z $shells ]] || fail "the image has a shell: $shells"
[[ $user == 10001:10001 ]] || fail "the image runs as $user"

echo "two Ceph sites"
tests/sandbox/two-sites.sh up "$sandbox" --port "$port" --fast --store bluestore --pools "$pool" >"$work/sandbox.log" || fail "$(tail -n 3 "$work/sandbox.log")"
install -d -m 0755 -o 10001 -g 10001 "$work/csi" "$work/config"
printf '[{"clusterID":"site-a","monitors":["[v2:127.0.0.1:%s,v1:127.0.0.1:%s]"]}]\n' "$port" "$((port + 1))" >"$work/config/config.json"
(umask 077; printf 'userID=csi\nuserKey=%s\n' "$(ceph -c "$sandbox/site-a/ceph.conf" auth get-key client.csi)" >"$work/config/secret")
chown 10001:10001 "$work/config/secret"

# The image's program as a container runtime starts it: namespace, mounts, user, environment. The server keeps this
# command's process id, since unshare, sh and chroot replace themselves.
as_container=(
  setpriv --no-new-privs env -i "${environment[@]}" unshare --mount --propagation private /bin/sh -ec '
    root=$1 csi=$2 config=$3; shift 3
    mount --bind "$root" "$root"
    mount --bind "$csi" "$root/csi"
    mount --bind "$config" "$root/etc/ceph-csi-config"
    mount -t tmpfs -o size=64k,mode=755 dev "$root/dev"
    for device in null zero random urandom; do : >"$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
    mount -t proc proc "$root/proc"
    mount -o remount,bind,ro "$root"
    exec chroot --userspec=10001:10001 --groups= "$root" "$@"' sh "$root" "$work/csi" "$work/config" "${entry[@]}"
)
# Where a runtime mounts them.
mkdir -p "$root/dev" "$root/proc"

echo "start"
setsid "${as_container[@]}" "${command[@]}" --http-endpoint "http://127.0.0.1:$((port + 98))" 2>"$work/server.log" &
server=$!
processes+=("$server")
for ((i = 0; i < 100; i++)); do
  "${as_container[@]}" call Probe --timeout 5s >/dev/null 2>&1 && break
  kill -0 "$server" 2>/dev/null || fail "the server ended: $(cat "$work/server.log")"
done
state=/proc/$server
[[ $(awk '/^Uid:/ { print $2, $3, $4 }' "$state/status") == "10001 10001 10001" ]] || fail "the server's user is not 10001"
[[ $(awk '/^Cap(Eff|Prm)|^NoNewPrivs/ { printf "%s ", $2 }' "$state/status") == "0000000000000000 0000000000000000 1 " ]] || fail "the server has capabilities"
awk '$5 == "/" && $6 ~ /^ro(,|$)/ { found = 1 } END { exit !found }' "$state/mountinfo" || fail "the root file system is writable"
echo "  $(awk '/^Uid:/ { print "user " $2 }' "$state/status"), no capabilities, read-only root"

ask() { "${as_container[@]}" call "$1" --volume "$handle" --secret-file /etc/ceph-csi-config/secret "${@:2}"; }
"${as_container[@]}" call GetIdentity | tee "$work/answer" | grep -q '"name": "rbd.csi.ceph.com"' || fail "GetIdentity answered $(cat "$work/answer")"
echo "  GetIdentity: $(tr -d '\n' <"$work/answer" | tr -s ' ')"
rbd -c "$sandbox/site-a/ceph.conf" create --size 64M --image-feature layering "$pool/csi-vol-$(cat /proc/sys/kernel/random/uuid)"
name=$(rbd -c "$sandbox/site-a/ceph.conf" ls "$pool")
"${as_container[@]}" volume import --cluster-id site-a --pool "$pool" --image "$name" --secret-file /etc/ceph-csi-config/secret >"$work/volume.yaml"
handle=$(sed -n 's/^ *volumeHandle: "\(.*\)"$/\1/p' "$work/volume.yaml")
echo "  volume import: $handle"
ask EnableVolumeReplication >/dev/null
ask PromoteVolume -p schedulingInterval=1m >/dev/null
echo "  EnableVolumeReplication, PromoteVolume: OK"
for ((i = 0; i < 60; i++)); do
  ! ask GetVolumeReplicationInfo >"$work/answer" 2>&1 || break
  # Ceph tells no time before the second snapshot, and a mirror daemon reports every 30 s.
  grep -q 'NOT_FOUND: .* has no sync time yet' "$work/answer" || fail "GetVolumeReplicationInfo: $(cat "$work/answer")"
  rbd -c "$sandbox/site-a/ceph.conf" mirror image snapshot "$pool/$name" >/dev/null
  sleep 2
done
grep -q '"status": "HEALTHY"' "$work/answer" || fail "GetVolumeReplicationInfo: $(cat "$work/answer")"
echo "  GetVolumeReplicationInfo: $(tr -d '\n' <"$work/answer" | tr -s ' ')"
"${as_container[@]}" status --secret-file /etc/ceph-csi-config/secret --pool "$pool" >"$work/answer" || fail "status: $(cat "$work/answer")"
grep -q '^1 replicated volumes: 1 healthy' "$work/answer" || fail "status: $(cat "$work/answer")"
! grep -iE '"LogLevel":"(Error|Critical)|exception' "$work/server.log" || fail "the server's log has errors"
echo "  resident memory of the server $(awk '/^VmRSS/ { printf "%.0f MiB", $2 / 1024 }' "$state/status")"

# libssl is loaded for TLS only, so the generator talks to a TLS server here. It is no API server and knows no lease.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 \
  -keyout "$work/config/api.key" -out "$work/config/api.crt" 2>/dev/null
setsid openssl s_server -accept "127.0.0.1:$((port + 99))" -cert "$work/config/api.crt" -key "$work/config/api.key" -www >/dev/null 2>&1 &
processes+=($!)
cat >"$work/config/kubeconfig" <<Y
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:$((port + 99))", certificate-authority: /etc/ceph-csi-config/api.crt}}]
users: [{name: u, user: {token: none}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: default}}]
current-context: x
Y
setsid "${as_container[@]}" omap-generator --kubeconfig /etc/ceph-csi-config/kubeconfig --http-endpoint "" 2>"$work/generator.log" &
generator=$!
processes+=("$generator")
loaded_by() { awk '$6 ~ /\.so/ { print $6 }' "/proc/$1/maps" | sed "s#^$root##" | sort -u; }
for ((i = 0; i < 50; i++)); do ! loaded_by "$generator" | grep -q libssl || break; sleep 0.2; done
sleep 2
! grep -iE 'certificate|libssl|OpenSSL|SSL connection' "$work/generator.log" || fail "TLS does not work in the image"
loaded=$(sort -u <(loaded_by "$server") <(loaded_by "$generator"))
shipped=$(find "$root" -name '*.so*' -type f -printf '/%P\n' | sort)
[[ $loaded == "$shipped" ]] || fail "shipped and not loaded (<), loaded and not shipped (>): $(diff <(echo "$shipped") <(echo "$loaded") || true)"
echo "  the $(wc -l <<<"$shipped") shared libraries in the image are those that serve and the generator have loaded"
kill "$server"
code=0; wait "$server" || code=$?
(( code == 0 )) || fail "the server ended with $code on SIGTERM"
echo "1 passed, 0 failed"
