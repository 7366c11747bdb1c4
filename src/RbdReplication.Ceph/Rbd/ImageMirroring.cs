using System.Buffers.Binary;
using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>Mirroring of one open image. Calls that change something need an image opened for writing.</summary>
public sealed class ImageMirroring
{
    // Where the mirror daemons of a pool or namespace enter themselves, one key for each client id.
    private const string DaemonsObject = "rbd_mirror_leader";
    private const string DaemonKeyPrefix = "instance_";

    // Where the peers' daemons write their reports. Each begins with who wrote it: six bytes of a head, the kind of client and
    // its number (cls/rbd/cls_rbd.h, MirrorImageStatusOnDisk).
    private const string ReportsObject = "rbd_mirroring";
    private const string PeerReportPrefix = "remote_status_global_";
    private const int ReporterOffset = 7;

    private readonly RbdImage _image;

    internal ImageMirroring(RbdImage image) => _image = image;

    /// <summary>Starts mirroring; asking again for the mode it has is no error. Wraps <c>rbd_mirror_image_enable2</c>.</summary>
    /// <exception cref="CephException">
    /// EINVAL: mirrored in the other mode, a clone of an image that is not mirrored, or the pool is not in image mode.
    /// </exception>
    public Task EnableAsync(MirrorImageMode mode, CancellationToken cancellationToken) =>
        _image.ChangeAsync("rbd_mirror_image_enable2", () => Librbd.MirrorImageEnable2(_image.Handle, (int)mode), cancellationToken);

    /// <summary>
    /// Stops mirroring. The peer's image of a primary vanishes; a secondary needs <paramref name="force"/> and its copy
    /// stays as an ordinary image. Wraps <c>rbd_mirror_image_disable</c>.
    /// </summary>
    /// <exception cref="CephException">EINVAL: a secondary, without force. EBUSY: a mirrored clone depends on it.</exception>
    public Task DisableAsync(bool force, CancellationToken cancellationToken) =>
        _image.ChangeAsync("rbd_mirror_image_disable", () => Librbd.MirrorImageDisable(_image.Handle, Flag(force)), cancellationToken);

    /// <summary>
    /// Makes the image primary. Without force librbd asks the local image only: it succeeds whenever the newest mirror
    /// snapshot is a demoted one, even if the peer is primary. Wraps <c>rbd_aio_mirror_image_promote</c>.
    /// </summary>
    /// <exception cref="CephException">EBUSY: not demoted by the peer. EROFS: the last snapshot is being copied. EINVAL: primary already. EEXIST: in journal mode, the mirror daemon works on it.</exception>
    public Task PromoteAsync(bool force, CancellationToken cancellationToken) =>
        CallAsync("rbd_aio_mirror_image_promote", c => Librbd.AioMirrorImagePromote(_image.Handle, Flag(force), c), cancellationToken).WaitAsync(cancellationToken);

    /// <summary>Makes the image secondary; the demotion snapshot carries all its data. Wraps <c>rbd_aio_mirror_image_demote</c>.</summary>
    /// <exception cref="CephException">EINVAL: not primary. EROFS: somebody holds a managed lock on the image.</exception>
    public Task DemoteAsync(CancellationToken cancellationToken) =>
        CallAsync("rbd_aio_mirror_image_demote", c => Librbd.AioMirrorImageDemote(_image.Handle, c), cancellationToken).WaitAsync(cancellationToken);

    /// <summary>Asks the mirror daemon to delete this secondary image and copy the peer's again. Wraps <c>rbd_mirror_image_resync</c>.</summary>
    /// <exception cref="CephException">EINVAL: the image is primary.</exception>
    public Task ResyncAsync(CancellationToken cancellationToken) =>
        _image.ChangeAsync("rbd_mirror_image_resync", () => Librbd.MirrorImageResync(_image.Handle), cancellationToken);

    /// <summary>
    /// Takes a mirror snapshot of a primary image in a process of its own, since librbd may end the process that takes one, after waiting
    /// at most two seconds for others that have the image open. See <see cref="ApartProcess"/>.
    /// </summary>
    /// <exception cref="CephException">EINVAL: a secondary, or mirrored by journal. EBUSY: that process has ended.</exception>
    public async Task TakeSnapshotAsync(CancellationToken cancellationToken)
    {
        var snapshots = _image.Pool.Cluster.Snapshots;
        var answer = await snapshots.RunAsync(_image.Pool, [_image.GetId()], generation: null, _image.Spec, cancellationToken).ConfigureAwait(false);
        if (answer.Errno != 0)
            throw new CephException(answer.Errno, answer.Function, _image.Spec, answer.Detail);
    }

    /// <summary>
    /// Takes a mirror snapshot of a primary image and returns its id. With 16.2 this process ends where another client takes one at the
    /// same moment. Wraps <c>rbd_aio_mirror_image_create_snapshot</c>.
    /// </summary>
    /// <exception cref="CephException">EINVAL: a secondary, or mirrored by journal.</exception>
    public Task<ulong> CreateSnapshotAsync(CancellationToken cancellationToken) => AskAsync<ulong, ulong>(
        "rbd_aio_mirror_image_create_snapshot", (id, c) => Librbd.AioMirrorImageCreateSnapshot(_image.Handle, 0, id, c),
        id => id.Value, cancellationToken).WaitAsync(cancellationToken);

    /// <summary>
    /// Whether this site's mirror daemon has the image open, as it has from before it begins to copy until it is done with
    /// the peer's demotion. A daemon that died counts for some 30 s more.
    /// </summary>
    public async Task<bool> IsHeldByDaemonAsync(CancellationToken cancellationToken) =>
        await ListHoldingDaemonsAsync(cancellationToken).ConfigureAwait(false) is { Count: > 0 };

    /// <summary>
    /// This site's mirror daemons among those who have the image open. Nodes that use the image, other programs and the peer's
    /// daemons are not among them.
    /// </summary>
    public async Task<IReadOnlyList<ImageWatcher>> ListHoldingDaemonsAsync(CancellationToken cancellationToken) =>
        await ListDaemonsAsync(await _image.ListWatchersAsync(cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);

    /// <summary>This site's mirror daemons among clients that were seen to have the image open.</summary>
    public async Task<IReadOnlyList<ImageWatcher>> ListDaemonsAsync(IReadOnlyList<ImageWatcher> watchers, CancellationToken cancellationToken)
    {
        string[] keys = [.. watchers.Select(DaemonKey).Distinct()];
        var daemons = await _image.Pool.ReadOmapAsync(DaemonsObject, keys, cancellationToken).ConfigureAwait(false);
        return daemons is null ? [] : [.. watchers.Where(watcher => daemons.ContainsKey(DaemonKey(watcher)))];
    }

    /// <summary>
    /// Clients that have the image open for writing, other than this one and the mirror daemons of all sites, which have it open for as long as
    /// they follow it.
    /// </summary>
    public async Task<IReadOnlyList<ImageWatcher>> ListUsersAsync(CancellationToken cancellationToken)
    {
        var own = (long)_image.Pool.Cluster.InstanceId;
        var watchers = (await _image.ListWatchersAsync(cancellationToken).ConfigureAwait(false)).Where(watcher => watcher.ClientId != own).ToList();
        if (watchers.Count == 0)
            return watchers;
        var daemons = (await ListDaemonsAsync(watchers, cancellationToken).ConfigureAwait(false)).Select(daemon => daemon.ClientId).ToHashSet();
        daemons.UnionWith(await ListPeerDaemonsAsync(cancellationToken).ConfigureAwait(false));
        return [.. watchers.Where(watcher => !daemons.Contains(watcher.ClientId))];
    }

    /// <summary>Client ids, at this site, of the peers' mirror daemons that have reported on this image.</summary>
    internal async Task<IReadOnlySet<long>> ListPeerDaemonsAsync(CancellationToken cancellationToken)
    {
        var info = await GetInfoAsync(cancellationToken).ConfigureAwait(false);
        var reports = await _image.Pool.ListOmapBytesAsync(
            ReportsObject, $"{PeerReportPrefix}{info.GlobalId}_", cancellationToken).ConfigureAwait(false);
        return (reports?.Values ?? []).Where(report => report.Length >= ReporterOffset + sizeof(long))
            .Select(report => BinaryPrimitives.ReadInt64LittleEndian(report.AsSpan(ReporterOffset))).ToHashSet();
    }

    private static string DaemonKey(ImageWatcher watcher) => $"{DaemonKeyPrefix}{watcher.ClientId}";

    /// <summary>Whether the image is mirrored and primary. Wraps <c>rbd_aio_mirror_image_get_info</c>.</summary>
    public Task<MirrorImageInfo> GetInfoAsync(CancellationToken cancellationToken) => AskAsync<MirrorImageInfoLayout, MirrorImageInfo>(
        "rbd_aio_mirror_image_get_info", (info, c) => Librbd.AioMirrorImageGetInfo(_image.Handle, info, OutBuffer<MirrorImageInfoLayout>.Size, c),
        info =>
        {
            var result = MirrorImageStatus.InfoOf(info.Value);
            Librbd.MirrorImageGetInfoCleanup(info.Address);
            return result;
        }, cancellationToken).WaitAsync(cancellationToken);

    /// <summary>
    /// How a mirrored image is mirrored. On an image that is not, 16.2 and 18.2 answer journal and 20.2 EINVAL: ask
    /// <see cref="GetInfoAsync(CancellationToken)"/> first. Wraps <c>rbd_aio_mirror_image_get_mode</c>.
    /// </summary>
    public Task<MirrorImageMode> GetModeAsync(CancellationToken cancellationToken) => AskAsync<int, MirrorImageMode>(
        "rbd_aio_mirror_image_get_mode", (mode, c) => Librbd.AioMirrorImageGetMode(_image.Handle, mode, c),
        mode => (MirrorImageMode)mode.Value, cancellationToken).WaitAsync(cancellationToken);

    /// <summary>What all sites last reported. Wraps <c>rbd_aio_mirror_image_get_global_status</c>.</summary>
    public Task<MirrorGlobalStatus> GetGlobalStatusAsync(CancellationToken cancellationToken) => AskAsync<MirrorGlobalStatusLayout, MirrorGlobalStatus>(
        "rbd_aio_mirror_image_get_global_status",
        (status, c) => Librbd.AioMirrorImageGetGlobalStatus(_image.Handle, status, OutBuffer<MirrorGlobalStatusLayout>.Size, c),
        status =>
        {
            var result = MirrorImageStatus.GlobalOf(status.Value);
            Librbd.MirrorImageGlobalStatusCleanup(status.Address);
            return result;
        }, cancellationToken).WaitAsync(cancellationToken);

    /// <summary>
    /// The image's mirror snapshots, oldest first, as they were when it was opened or last refreshed.
    /// Wraps <c>rbd_snap_list</c>, <c>rbd_snap_get_namespace_type</c> and <c>rbd_snap_get_mirror_namespace</c>.
    /// </summary>
    public async Task<IReadOnlyList<MirrorSnapshot>> ListSnapshotsAsync(CancellationToken cancellationToken)
    {
        List<MirrorSnapshot> snapshots = [];
        await _image.LookUpAsync(
            "rbd_snap_list", () => MirrorSnapshots.Read(_image.Handle, snapshots), cancellationToken).ConfigureAwait(false);
        return snapshots;
    }

    private static byte Flag(bool value) => value ? (byte)1 : (byte)0;

    private Task<long> CallAsync(string function, Func<nint, int> submit, CancellationToken cancellationToken) =>
        NativeCall.RunAsync(ClientLibrary.Rbd, function, _image.Spec, _image.Handle, submit, cancellationToken);

    // Callers stop waiting around this: what librbd writes to lives until the call has ended.
    private async Task<T> AskAsync<TLayout, T>(
        string function, Func<nint, nint, int> submit, Func<OutBuffer<TLayout>, T> read, CancellationToken cancellationToken) where TLayout : unmanaged
    {
        using var answer = new OutBuffer<TLayout>();
        await NativeCall.RunAsync(
            ClientLibrary.Rbd, function, _image.Spec, _image.Handle, completion => submit(answer.Address, completion), cancellationToken).ConfigureAwait(false);
        return read(answer);
    }
}
