#!/usr/bin/env bash
# Builds the container image with local stand-ins for its two base images, reports its size by layer, and starts it as a
# pod would: not root, read-only root file system. Against a real Ceph cluster: `serve` answers Identity and finds out that
# a volume does not exist, `status` lists the images of a pool.
set -Eeuo pipefail
cd "$(dirname "$0")/.."

work=$PWD/artifacts/image
sandbox=$work/sandbox
port=${IMAGE_TEST_PORT:-43000}
limit_mib=150
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
tool=(buildah --root "$work/storage" --runroot "$work/run")
container='' server=''

fail() { echo "test-image failed: $*" >&2; exit 1; }
trap 'fail "line $LINENO: $BASH_COMMAND"' ERR
clean_up() {
  local status=$?
  trap - ERR
  [[ -z $server ]] || kill "$server" 2>/dev/null || true
  wait
  [[ -z $container ]] || { "${tool[@]}" umount "$container"; "${tool[@]}" rm "$container"; } >/dev/null 2>&1 || true
  tests/sandbox/two-sites.sh down "$sandbox" --purge >/dev/null || true
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

missing=()
for program in buildah debootstrap; do command -v "$program" >/dev/null || missing+=("$program"); done
if (( ${#missing[@]} )); then
  echo "installing ${missing[*]}"
  apt-get -q update >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "${missing[@]}" >/dev/null
fi
mkdir -p "$work"

# A base image as a registry would serve it: Debian's minimal system, from the mirror that this machine uses.
stand_in_base() {
  "${tool[@]}" inspect --type image localhost/stand-in-debian >/dev/null 2>&1 && return
  [[ -x $work/debian/usr/bin/apt-get ]] || {
    local mirror; mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
    debootstrap --variant=minbase bookworm "$work/debian" "$mirror" >"$work/debootstrap.log"
  }
  local c; c=$("${tool[@]}" from scratch)
  "${tool[@]}" add -q "$c" "$work/debian" / >/dev/null
  "${tool[@]}" commit -q --rm "$c" localhost/stand-in-debian >/dev/null
}
# The machine's own SDK.
stand_in_sdk() {
  "${tool[@]}" inspect --type image localhost/stand-in-sdk >/dev/null 2>&1 && return
  local c; c=$("${tool[@]}" from scratch)
  "${tool[@]}" add -q "$c" "$(dirname "$(readlink -f "$(command -v dotnet)")")" /usr/share/dotnet >/dev/null
  "${tool[@]}" commit -q --rm "$c" localhost/stand-in-sdk >/dev/null
}

echo "base images"
stand_in_base
stand_in_sdk
echo "build"
# NuGet's settings and its cache, filled by `make publish`, are the machine's.
"${tool[@]}" build -q --layers --volume "$HOME/.nuget:/root/.nuget" \
  --build-arg BASE_IMAGE=localhost/stand-in-debian --build-arg SDK_IMAGE=localhost/stand-in-sdk -t localhost/rbd-replication:test . >"$work/build.log" 2>&1 \
  || fail "$(tail -n 20 "$work/build.log")"

container=$("${tool[@]}" from --pull-never localhost/rbd-replication:test)
root=$("${tool[@]}" mount "$container")
echo "size of the image, unpacked:"
(cd "$root" && du -k -s usr/bin lib lib64 usr/lib etc csi) | awk '{ printf "  %7.1f MiB  /%s\n", $1 / 1024, $2 }'
total=$(du -k -s "$root" | awk '{ print $1 }')
awk -v kib="$total" 'BEGIN { printf "  %7.1f MiB  in all\n", kib / 1024 }'
(( total <= limit_mib * 1024 )) || fail "the image is larger than $limit_mib MiB"
for shell in bin/sh usr/bin/sh bin/bash usr/bin/bash bin/busybox; do [[ ! -e $root/$shell ]] || fail "the image has a shell: /$shell"; done
[[ $("${tool[@]}" inspect --type image --format '{{ .OCIv1.Config.User }}' localhost/rbd-replication:test) == 10001:10001 ]] || fail "the image runs as root"

echo "two Ceph sites"
tests/sandbox/two-sites.sh down "$sandbox" --purge >/dev/null
tests/sandbox/two-sites.sh up "$sandbox" --port "$port" --fast --store bluestore --pools replicapool >"$work/sandbox.log" || fail "$(tail -n 3 "$work/sandbox.log")"
rm -rf "$work/csi" "$work/config"
install -d -m 0755 -o 10001 -g 10001 "$work/csi" "$work/config"
printf '[{"clusterID":"site-a","monitors":["[v2:127.0.0.1:%s,v1:127.0.0.1:%s]"]}]\n' "$port" "$((port + 1))" >"$work/config/config.json"
(umask 077; printf 'userID=csi\nuserKey=%s\n' "$(ceph -c "$sandbox/site-a/ceph.conf" auth get-key client.csi)" >"$work/config/secret")
chown 10001:10001 "$work/config/secret"

# in_image arguments...: the image's program as a container runtime would start it, with /dev and /proc of its own.
mkdir -p "$root/dev" "$root/proc"
in_image() {
  unshare --mount --propagation private sh -c '
    root=$1 csi=$2 config=$3; shift 3
    mount --bind "$root" "$root" && mount --bind "$csi" "$root/csi" && mount --bind "$config" "$root/etc/ceph-csi-config" || exit 97
    mount --rbind /dev "$root/dev" && mount -t proc proc "$root/proc" && mount -o remount,bind,ro "$root" || exit 97
    exec chroot --userspec=10001:10001 --groups= "$root" /usr/bin/rbd-replication "$@"' sh "$root" "$work/csi" "$work/config" "$@"
}

echo "start as user 10001 on a read-only root"
in_image serve --http-endpoint "http://127.0.0.1:$((port + 90))" 2>"$work/server.log" &
server=$!
for ((i = 0; i < 100; i++)); do
  in_image call Probe --timeout 5s >/dev/null 2>&1 && break
  kill -0 "$server" 2>/dev/null || fail "the server ended: $(cat "$work/server.log")"
done
in_image call GetIdentity | grep -q '"name": "rbd.csi.ceph.com"' || fail "GetIdentity did not answer"
code=0
in_image call GetVolumeReplicationInfo --secret-file /etc/ceph-csi-config/secret \
  --volume 0001-0006-site-a-0000000000000001-00000000-0000-4000-8000-000000000000 2>"$work/answer" || code=$?
# 64 and gRPC's NOT_FOUND: librados and librbd were loaded, and the cluster has been asked.
(( code == 69 )) || fail "GetVolumeReplicationInfo ended with $code: $(cat "$work/answer")"
in_image status --secret-file /etc/ceph-csi-config/secret --pool replicapool | tee "$work/answer"
grep -q '^0 replicated volumes' "$work/answer" || fail "status did not list the pool"
! grep -q . "$work/server.log" || ! grep -iE 'error|exception' "$work/server.log" || fail "the server's log has errors"
# unshare and chroot have replaced themselves by the program.
echo "resident memory of the server: $(awk '/^VmRSS/ { printf "%.0f MiB", $2 / 1024 }' "/proc/$server/status")"
echo "1 passed, 0 failed"
