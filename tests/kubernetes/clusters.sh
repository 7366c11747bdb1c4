#!/usr/bin/env bash
# clusters.sh - real Kubernetes API servers with their controllers, one a site, on one machine. There are no nodes: what kubelets and
# the CSI-Addons controller do is played by who needs it.
#
#   clusters.sh up DIR [--port N] [SITE...]     start (or, when they already run, only check) the sites   (default: site-a site-b)
#   clusters.sh down DIR [--purge]              stop exactly what `up DIR` started; --purge removes DIR too
#   clusters.sh status DIR                      one line per process
#   clusters.sh stop DIR SITE DAEMON [HOW]      DAEMON is api | controllers | all, HOW is term | kill | freeze (default kill)
#   clusters.sh start DIR SITE DAEMON           undoes any HOW: SIGCONT, or a new process
#   clusters.sh compact DIR                     have etcd forget every version but the newest: what reads an older one gets 410
#
# N is etcd (default 24000), N+1 its peer port, N+2, N+3, ... the sites' API servers; all listen on 127.0.0.1 only.
# DIR/kubeconfig has a context of each site's name, DIR/SITE/kubeconfig the site's own alone; the user is the administrator.
# The custom resources of CSI-Addons are installed as crds.yaml has them. Exit status 0 means all is up and answers.
set -Eeuo pipefail
trap 'rc=$?; echo "clusters.sh: line $LINENO: \"$BASH_COMMAND\" failed with status $rc" >&2; exit $rc' ERR

die() { echo "clusters.sh: $*" >&2; exit 1; }
now_us() { local t=${EPOCHREALTIME/./}; echo "${t/,/}"; }
T0=$(now_us)
say() { local us=$(( $(now_us) - T0 )); printf '%6d.%ds  %s\n' $((us/1000000)) $((us/100000%10)) "$*"; }
usage() { sed -n '2,/^set -E/{/^set -E/d;s/^# \{0,1\}//;p}' "$0"; }
here=$(dirname "$(realpath "$0")")

# ---------------------------------------------------------------- settings kept in DIR/settings
load() {
  DIR=$(realpath -m "$1")
  [[ -f $DIR/settings ]] || die "$DIR holds no clusters (no settings file)"
  # shellcheck disable=SC1091
  source "$DIR/settings"
}
site_check() { local s; for s in "${SITES[@]}"; do [[ $s != "$1" ]] || return 0; done; die "no such site: $1 (${SITES[*]})"; }
port_of() { local i; for i in "${!SITES[@]}"; do [[ ${SITES[i]} != "$1" ]] || echo $((PORT + 2 + i)); done; }
kubectl_() { kubectl --kubeconfig "$DIR/$1/kubeconfig" "${@:2}"; }

# ---------------------------------------------------------------- processes, by pid file only; a name is etcd, SITE/api or SITE/controllers
# prints the pid only if that process is really ours (its command line names its file in DIR)
live() {
  local f=$DIR/$1.pid pid; [[ -s $f ]] || return 1
  pid=$(<"$f"); [[ -r /proc/$pid/cmdline ]] || return 1
  tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qxF -- "$(mark "$1")" || return 1
  [[ $(state "$pid") != Z ]] || return 1
  echo "$pid"
}
# Whether a process that was started is there no more. While it becomes its program it has no command line, which takes long where that is read from disk.
ended() { local pid; pid=$(cat "$DIR/$1.pid" 2>/dev/null) && [[ -n $pid && ( ! -d /proc/$pid || $(state "$pid") == Z ) ]]; }
mark() { case $1 in etcd) echo "--data-dir=$DIR/etcd";; */api) echo "--token-auth-file=$DIR/${1%/*}/tokens.csv";; */controllers) echo "--kubeconfig=$DIR/${1%/*}/kubeconfig";; esac; }
state() { awk '/^State:/{print $2}' "/proc/$1/status" 2>/dev/null; }
wait_gone() { local pid=$1 n=$(( $2 * 20 )); while (( n-- > 0 )); do [[ -d /proc/$pid && $(state "$pid") != Z ]] || return 0; sleep 0.05; done; return 1; }
halt() { # name how
  local pid; pid=$(live "$1") || return 0
  case $2 in
    freeze) kill -STOP "$pid";;
    term) if [[ $(state "$pid") == T ]]; then kill -CONT "$pid"; fi; kill -TERM "$pid"
          wait_gone "$pid" 5 || { kill -KILL "$pid" 2>/dev/null || true; wait_gone "$pid" 5; };;
    kill) kill -KILL "$pid"; wait_gone "$pid" 5;;
    *) die "how to stop: term, kill or freeze, not $2";;
  esac
}
launch() { # name
  local name=$1 site=${1%/*} pid
  if pid=$(live "$name"); then if [[ $(state "$pid") == T ]]; then kill -CONT "$pid"; fi; return 0; fi
  case $name in
    etcd) run etcd etcd "$(mark etcd)" --unsafe-no-fsync --name=clusters --log-outputs=stderr \
      --listen-client-urls="http://127.0.0.1:$PORT" --advertise-client-urls="http://127.0.0.1:$PORT" \
      --listen-peer-urls="http://127.0.0.1:$((PORT+1))" --initial-advertise-peer-urls="http://127.0.0.1:$((PORT+1))" \
      --initial-cluster="clusters=http://127.0.0.1:$((PORT+1))";;
    # No Endpoints of the server's own: they may not be of this address. No ServiceAccount admission: its controller is not there.
    */api) run "$name" "$BIN/kube-apiserver" "$(mark "$name")" --etcd-servers="http://127.0.0.1:$PORT" --etcd-prefix="/$site" \
      --bind-address=127.0.0.1 --secure-port="$(port_of "$site")" --tls-cert-file="$DIR/server.crt" --tls-private-key-file="$DIR/server.key" \
      --authorization-mode=RBAC --service-account-issuer="https://$site" --service-account-key-file="$DIR/$site/accounts.key" \
      --service-account-signing-key-file="$DIR/$site/accounts.key" --service-cluster-ip-range=10.96.0.0/24 --endpoint-reconciler-type=none \
      --disable-admission-plugins=ServiceAccount --enable-priority-and-fairness=false --profiling=false --default-watch-cache-size=20 \
      --shutdown-delay-duration=0s;;
    */controllers) run "$name" "$BIN/kube-controller-manager" "$(mark "$name")" --leader-elect=false --port=0 --secure-port=0 --profiling=false \
      --controllers=persistentvolume-binder,pvc-protection,pv-protection,namespace,deployment,replicaset,statefulset,garbagecollector \
      --pvclaimbinder-sync-period=3s --concurrent-gc-syncs=2 --kube-api-qps=100 --kube-api-burst=200;;
  esac
}
run() { # name command...: with nothing of who has started us but the environment
  local log=$DIR/$1.log pidfile=$DIR/$1.pid; shift
  # shellcheck disable=SC2016
  setsid bash -c 'for f in /proc/self/fd/*; do f=${f##*/}; (( f < 3 )) || eval "exec $f>&-"; done
    echo $$ >"$1"; shift; exec "$@"' run "$pidfile" "$@" </dev/null >>"$log" 2>&1 &
}

# ---------------------------------------------------------------- readiness
await() { # seconds name what command...: until the command succeeds, and not longer than the process lives
  local end=$(( $(now_us) + $1*1000000 )) name=$2 what=$3 out; shift 3
  until out=$("$@" 2>&1); do
    (( $(now_us) < end )) || die "$name: $what: still not: $out"
    if ended "$name"; then tail -n 5 "$DIR/$name.log" >&2; die "$name ended, see $DIR/$name.log"; fi
    sleep 0.1
  done
}
etcd_answers() { local body; body=$(post /v3/maintenance/status '{}') && [[ $body == *'"leader"'* ]]; }
post() { # path body: etcd's own JSON gateway, which needs no further package
  exec 3<>"/dev/tcp/127.0.0.1/$PORT" || return 1
  printf 'POST %s HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s' "$1" "${#2}" "$2" >&3
  cat <&3; exec 3>&-
}
ready() { [[ $(kubectl_ "$1" get --raw /readyz) == ok ]]; }
# The controllers start with each other: once the one for Deployments has seen one, the others watch, too.
make_probe() { kubectl_ "$1" -n default create deployment controllers-ready --image=none --replicas=0 || kubectl_ "$1" -n default get deployment controllers-ready; }
probe_seen() { [[ -n $(kubectl_ "$1" -n default get deployment controllers-ready -o 'jsonpath={.status.observedGeneration}') ]]; }
api_up() { launch "$1/api"; await 120 "$1/api" "it is ready" ready "$1"; }
controllers_up() {
  launch "$1/controllers"
  # A run that was stopped may have left it behind.
  kubectl_ "$1" -n default delete deployment controllers-ready --ignore-not-found >/dev/null
  await 30 "$1/api" "a Deployment is made" make_probe "$1"
  await 60 "$1/controllers" "it sees a Deployment" probe_seen "$1"
  kubectl_ "$1" -n default delete deployment controllers-ready >/dev/null
}
established() { # site
  [[ -z $(kubectl_ "$1" get crd -o 'jsonpath={range .items[*]}{.status.conditions[?(@.type=="Established")].status}{"\n"}{end}' | grep -vx True) ]]
}
site_up() { # runs in a subshell, the sites side by side
  local s=$1
  api_up "$s"
  kubectl_ "$s" apply -f "$here/crds.yaml" >/dev/null
  await 30 "$s/api" "its custom resources are established" established "$s"
  controllers_up "$s"
}

# ---------------------------------------------------------------- files
kubeconfig() { # file site...: the first is the current context
  local file=$1 s ca; shift
  ca=$(base64 -w0 <"$DIR/server.crt")
  {
    printf 'apiVersion: v1\nkind: Config\ncurrent-context: %s\nclusters:\n' "$1"
    for s in "$@"; do printf -- '- {name: %s, cluster: {server: "https://127.0.0.1:%s", certificate-authority-data: %s}}\n' "$s" "$(port_of "$s")" "$ca"; done
    printf 'contexts:\n'
    for s in "$@"; do printf -- '- {name: %s, context: {cluster: %s, user: %s-admin}}\n' "$s" "$s" "$s"; done
    printf 'users:\n'
    for s in "$@"; do printf -- '- {name: %s-admin, user: {token: %s}}\n' "$s" "$(cut -d, -f1 "$DIR/$s/tokens.csv")"; done
  } >"$file"
}
make_files() {
  local s
  mkdir -p "$DIR"
  # Whoever reads these files is administrator of what runs here.
  umask 077
  [[ -f $DIR/server.crt ]] || openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 \
    -keyout "$DIR/server.key" -out "$DIR/server.crt" 2>"$DIR/openssl.log" || { cat "$DIR/openssl.log" >&2; die "no certificate"; }
  for s in "${SITES[@]}"; do
    mkdir -p "$DIR/$s"
    [[ -f $DIR/$s/tokens.csv ]] || echo "$(openssl rand -hex 16),admin,admin,system:masters" >"$DIR/$s/tokens.csv"
    [[ -f $DIR/$s/accounts.key ]] || openssl genrsa -out "$DIR/$s/accounts.key" 2048 2>"$DIR/openssl.log"
    kubeconfig "$DIR/$s/kubeconfig" "$s"
  done
  kubeconfig "$DIR/kubeconfig" "${SITES[@]}"
}

# ---------------------------------------------------------------- commands
cmd_up() {
  [[ $# -ge 1 ]] || die "up needs DIR"
  DIR=$(realpath -m "$1"); shift
  PORT=24000 SITES=()
  while (( $# )); do case $1 in --port) PORT=$2; shift;; -*) die "unknown option $1";; *) SITES+=("$1");; esac; shift; done
  (( ${#SITES[@]} )) || SITES=(site-a site-b)
  BIN=$("$here/binaries.sh")
  local settings; settings=$(printf 'PORT=%q\nSITES=(%s)\nBIN=%q\n' "$PORT" "${SITES[*]}" "$BIN")
  if [[ -f $DIR/settings && $(<"$DIR/settings") != "$settings" ]]; then die "$DIR was made with other options; down --purge first"; fi
  make_files
  echo "$settings" >"$DIR/settings"
  launch etcd
  await 30 etcd "it answers" etcd_answers
  local s rc=0 pids=()
  for s in "${SITES[@]}"; do site_up "$s" & pids+=($!); done
  for s in "${pids[@]}"; do wait "$s" || rc=$?; done
  (( rc == 0 )) || die "a site did not come up (the logs are $DIR/*/*.log; stop the rest with: down $DIR)"
  say "ready"
  cmd_status "$DIR"
}
names() { local s; for s in "${SITES[@]}"; do echo "$s/controllers" "$s/api"; done; echo etcd; }
cmd_status() {
  load "$1"; local name pid bad=0
  for name in $(names); do
    if pid=$(live "$name"); then printf '%-18s pid %-7s %4d MiB%s\n' "$name" "$pid" $(( $(awk '/^VmRSS/{print $2}' "/proc/$pid/status")/1024 )) "$([[ $(state "$pid") == T ]] && echo ' frozen' || true)"
    else printf '%-18s not running\n' "$name"; bad=1; fi
  done
  return $bad
}
cmd_down() {
  if [[ ! -f $1/settings ]]; then say "nothing to stop in $1"; return 0; fi
  load "$1"; local name
  for name in $(names); do
    halt "$name" "$([[ ${2-} == --purge ]] && echo kill || echo term)"
    ! live "$name" >/dev/null || die "$name is still there"
    rm -f "$DIR/$name.pid"
  done
  if [[ ${2-} == --purge ]]; then rm -rf "$DIR"; fi
  say "stopped"
}
daemons() { case $1 in all) echo api controllers;; api|controllers) echo "$1";; *) die "no such daemon: $1 (api, controllers or all)";; esac; }
cmd_stop() {
  load "$1"; site_check "$2"; local x list; list=$(daemons "$3")
  for x in $list; do halt "$2/$x" "${4:-kill}"; say "$2 $x: ${4:-kill}"; done
}
cmd_start() {
  load "$1"; site_check "$2"; local x list; list=$(daemons "$3")
  for x in $list; do "${x}_up" "$2"; say "$2 $x: ready"; done
}
cmd_compact() {
  load "$1"; local revision
  revision=$(post /v3/kv/range '{"key":"Lw==","keys_only":true}' | grep -o '"revision":"[0-9]*"' | tr -dc 0-9)
  post /v3/kv/compaction "{\"revision\":\"$revision\",\"physical\":true}" | grep -q '"header"' || die "etcd does not forget what was before $revision"
  say "compacted at $revision"
}
main() {
  local c=${1:-help}; shift || true
  case $c in
    up) cmd_up "$@";; down) cmd_down "$@";; status) cmd_status "$@";; stop) cmd_stop "$@";; start) cmd_start "$@";; compact) cmd_compact "$@";;
    help|-h|--help) usage;;
    *) usage >&2; die "unknown command $c";;
  esac
}
main "$@"; exit $?
