# rbd-replication: a Native AOT binary and the shared libraries that it loads, and nothing else.
#
#   make image                                     with docker, podman or buildah, whichever is there
#   docker build -t rbd-replication:dev .
#
# Build arguments
#   BASE_IMAGE  Debian that is compiled on and that the Ceph client libraries come from: bookworm has Ceph 16.2, trixie 18.2.
#               Both stages use it, so the binary never needs a newer C library than the image has.
#   SDK_IMAGE   any image with the .NET SDK at /usr/share/dotnet
#   RUNTIME_ID  linux-x64; no other one is tested
ARG BASE_IMAGE=debian:bookworm-slim
ARG SDK_IMAGE=mcr.microsoft.com/dotnet/sdk:10.0

FROM ${SDK_IMAGE} AS sdk

FROM ${BASE_IMAGE} AS build
ARG RUNTIME_ID=linux-x64
ENV DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 DEBIAN_FRONTEND=noninteractive
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates gcc libc6-dev libssl3 zlib1g-dev librados2 librbd1
COPY --from=sdk /usr/share/dotnet /usr/share/dotnet
WORKDIR /source
# What .dockerignore lets through: the sources.
COPY . .
# No compiler server: without a process namespace it would outlive this step.
RUN /usr/share/dotnet/dotnet publish src/RbdReplication.Csi -c Release -r ${RUNTIME_ID} -o /publish -nologo -v quiet -p:NuGetAudit=false -p:UseSharedCompilation=false --disable-build-servers
# The closure of what is linked (ldd) and of what is loaded by name: librados and librbd by us, libssl by .NET for TLS to
# the API server. Installing the packages whole would add 135 MB of tools and of libraries that nothing here loads.
RUN set -eu; root=/root-of-image; \
    mkdir -p $root/usr/bin $root/etc/ssl/certs $root/csi $root/etc/ceph-csi-config; \
    cp /publish/rbd-replication $root/usr/bin/; \
    lib=$(dirname "$(find /usr/lib -name librados.so.2)"); \
    for file in /publish/rbd-replication $lib/librados.so.2 $lib/librbd.so.1 $lib/libssl.so.3; do \
      ldd $file | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }'; echo $file; \
    done | grep -v ^/publish | sed 's#^/usr/lib/\([^/]*/[^/]*\)$#/lib/\1#' | sort -u | xargs cp -L --parents -t $root; \
    cp /etc/ssl/certs/ca-certificates.crt $root/etc/ssl/certs/; \
    echo 'rbd-replication:x:10001:10001::/:/nonexistent' >$root/etc/passwd; \
    echo 'rbd-replication:x:10001:' >$root/etc/group; \
    echo 'hosts: files dns' >$root/etc/nsswitch.conf; \
    chown 10001:10001 $root/csi

# A layer for each folder: the libraries change with Debian, the binary, last, with each release.
FROM scratch
COPY --from=build /root-of-image/lib /lib
COPY --from=build /root-of-image/lib64 /lib64
COPY --from=build /root-of-image/usr/lib /usr/lib
COPY --from=build /root-of-image/etc /etc
COPY --from=build --chown=10001:10001 /root-of-image/csi /csi
COPY --from=build /root-of-image/usr/bin /usr/bin
# .NET's diagnostics would put a socket into /tmp, which a read-only root file system does not have.
ENV DOTNET_EnableDiagnostics=0 SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 10001:10001
ENTRYPOINT ["/usr/bin/rbd-replication"]
CMD ["serve"]
