using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using RbdReplication.Csi.Protocol;

namespace RbdReplication.Benchmarks;

/// <summary>A CSI volume with an image of its own, and the calls that a controller makes for it.</summary>
internal sealed record BenchVolume(VolumeHandle Handle)
{
    private const ulong SizeBytes = 4 * 1024 * 1024;

    private static readonly ParallelOptions Limited = new() { MaxDegreeOfParallelism = 16 };
    private static readonly TimeSpan RetryPause = TimeSpan.FromSeconds(1);

    public string ImageName => JournalKeys.DefaultImagePrefix + Handle.Uuid;

    public ReplicationSource Source => new() { Volume = new() { VolumeId = Handle.ToString() } };

    public VolumeRequest RequestAt(BenchSite site) => new(At(site).Handle, site.Credentials);

    /// <summary>The volume as the other site knows it.</summary>
    public BenchVolume At(BenchSite site) => new(Handle.WithLocation(BenchSite.ClusterId, site.Pool.Id));

    /// <summary>The volume of an image that one of these was made for.</summary>
    public static BenchVolume Of(BenchSite site, string imageName) =>
        new(new VolumeHandle(BenchSite.ClusterId, site.Pool.Id, imageName[JournalKeys.DefaultImagePrefix.Length..]));

    /// <summary>Makes images with journal entries.</summary>
    public static async Task<IReadOnlyList<BenchVolume>> CreateAsync(
        BenchSite site, int count, ulong sizeBytes = SizeBytes, ImageFeatures features = ImageFeatures.Layering)
    {
        var volumes = Enumerable.Range(0, count)
            .Select(_ => new BenchVolume(new VolumeHandle(BenchSite.ClusterId, site.Pool.Id, Guid.NewGuid().ToString()))).ToList();
        await Parallel.ForEachAsync(
            volumes, Limited, async (volume, token) => await RbdImage.CreateAsync(site.Pool, volume.ImageName, sizeBytes, features, token));
        await EnterAsync(site, volumes);
        return volumes;
    }

    /// <summary>Enters images in a site's journal, as the omap generator does at the other site.</summary>
    public static Task EnterAsync(BenchSite site, IEnumerable<BenchVolume> volumes)
    {
        var journal = new CsiJournal(site.Pool, site.Pool, "default");
        return Parallel.ForEachAsync(volumes, Limited, async (volume, token) =>
            await journal.EnterAsync(new Reservation("pvc-" + volume.Handle.Uuid, volume.Handle.Uuid) { Owner = "default" }, token));
    }

    public async Task EnableAsync(ServerProcess server, BenchSite site) =>
        await server.Replication.EnableVolumeReplicationAsync(new() { ReplicationSource = Source, Secrets = { site.Secrets } });

    public async Task DisableAsync(ServerProcess server, BenchSite site) =>
        await server.Replication.DisableVolumeReplicationAsync(new() { ReplicationSource = Source, Secrets = { site.Secrets } });

    public async Task PromoteAsync(ServerProcess server, BenchSite site, bool force = false, string? interval = null)
    {
        var request = new PromoteVolumeRequest { ReplicationSource = Source, Secrets = { site.Secrets }, Force = force };
        if (interval is not null)
            request.Parameters["schedulingInterval"] = interval;
        await server.Replication.PromoteVolumeAsync(request);
    }

    public async Task DemoteAsync(ServerProcess server, BenchSite site) =>
        await server.Replication.DemoteVolumeAsync(new() { ReplicationSource = Source, Secrets = { site.Secrets } });

    public async Task<GetVolumeReplicationInfoResponse> GetInfoAsync(ServerProcess server, BenchSite site) =>
        await server.Replication.GetVolumeReplicationInfoAsync(new() { ReplicationSource = Source, Secrets = { site.Secrets } });

    /// <summary>Takes a mirror snapshot, as the manager does, and waits until the other site has it.</summary>
    public async Task CopyAsync(BenchSite site, BenchSite peer)
    {
        ulong taken;
        await using (var image = await RbdImage.OpenAsync(site.Pool, ImageName, readOnly: false, CancellationToken.None))
            taken = await image.Mirroring.CreateSnapshotAsync(CancellationToken.None);
        while (!await IsCopiedAsync(this, peer, snapshot => snapshot.PrimarySnapshotId == taken))
            await Task.Delay(RetryPause);
    }

    /// <summary>Repeats a call like a controller while the answer asks for that; returns how often it was made.</summary>
    public static async Task<int> RetryAsync(Func<Task> call)
    {
        for (var calls = 1; ; calls++)
        {
            try
            {
                await call();
                return calls;
            }
            catch (RpcException e) when (e.StatusCode is StatusCode.Aborted or StatusCode.Unavailable or StatusCode.NotFound)
            {
                await Task.Delay(RetryPause);
            }
        }
    }

    /// <summary>Waits until the other site has a complete copy of each image, taken from here.</summary>
    public static async Task AwaitCopiesAsync(IEnumerable<BenchVolume> volumes, BenchSite peer)
    {
        foreach (var volume in volumes)
        {
            while (!await IsCopiedAsync(volume, peer, _ => true))
                await Task.Delay(RetryPause);
        }
    }

    private static async Task<bool> IsCopiedAsync(BenchVolume volume, BenchSite peer, Predicate<MirrorSnapshot> isIt)
    {
        try
        {
            await using var image = await RbdImage.OpenAsync(peer.Pool, volume.ImageName, readOnly: true, CancellationToken.None);
            var snapshots = await image.Mirroring.ListSnapshotsAsync(CancellationToken.None);
            return snapshots.Count > 0 && snapshots[^1] is { State: MirrorSnapshotState.NonPrimary, IsComplete: true } && isIt(snapshots[^1]);
        }
        catch (CephException e) when (e.Errno == Errno.ENOENT)
        {
            return false;
        }
    }
}
