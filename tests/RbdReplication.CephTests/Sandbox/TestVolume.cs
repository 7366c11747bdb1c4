using System.Security.Cryptography;
using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.Core;
using RbdReplication.Csi.Protocol;

namespace RbdReplication.CephTests.Sandbox;

/// <summary>An image of its own for a test, with the journal entries of a CSI volume, and the calls that a controller makes for it.</summary>
public sealed class TestVolume
{
    public const ulong SizeBytes = 16 * 1024 * 1024;

    private readonly Func<Site, RadosPool> _poolAt;

    private TestVolume(VolumeHandle handle, Func<Site, RadosPool> poolAt)
    {
        Handle = handle;
        _poolAt = poolAt;
    }

    public VolumeHandle Handle { get; }

    public string ImageName => JournalKeys.DefaultImagePrefix + Handle.Uuid;

    public ReplicationSource Source => new() { Volume = new() { VolumeId = Handle.ToString() } };

    public static async Task<TestVolume> CreateAsync(
        Site site, bool inTenant = false, ImageFeatures features = ImageFeatures.Layering, ulong sizeBytes = SizeBytes)
    {
        var pool = inTenant ? site.Tenant : site.Pool;
        var handle = new VolumeHandle(inTenant ? "tenant" : site.Name, pool.Id, Guid.NewGuid().ToString());
        return await CreateAsync(new TestVolume(handle, at => inTenant ? at.Tenant : at.Pool), pool, features, sizeBytes);
    }

    /// <summary>A volume of another pool, which is known at this site only.</summary>
    public static Task<TestVolume> CreateAsync(Site site, RadosPool pool, ImageFeatures features = ImageFeatures.Layering) =>
        CreateAsync(new TestVolume(new VolumeHandle(site.Name, pool.Id, Guid.NewGuid().ToString()), _ => pool), pool, features, SizeBytes);

    private static async Task<TestVolume> CreateAsync(TestVolume volume, RadosPool pool, ImageFeatures features, ulong sizeBytes)
    {
        await RbdImage.CreateAsync(pool, volume.ImageName, sizeBytes, features, CancellationToken.None);
        await volume.EnterAsync(pool);
        return volume;
    }

    /// <summary>A volume of the site's own pool, whatever there is of it.</summary>
    public static TestVolume At(Site site, string uuid) => new(new VolumeHandle(site.Name, site.Pool.Id, uuid), at => at.Pool);

    /// <summary>Makes an image that exists already, named <c>csi-vol-UUID</c>, a CSI volume.</summary>
    public static async Task<TestVolume> AdoptAsync(Site site, string uuid)
    {
        var volume = At(site, uuid);
        await volume.EnterAsync(site.Pool);
        return volume;
    }

    private async Task EnterAsync(RadosPool pool)
    {
        var reservation = new Reservation("pvc-" + Handle.Uuid, Handle.Uuid) { Owner = "default" };
        var plan = await new CsiJournal(pool, pool, "default").EnterAsync(reservation, CancellationToken.None);
        Assert.True(plan is ReservationPlan.Write or ReservationPlan.UpToDate, $"{plan}");
    }

    public RadosPool PoolAt(Site site) => _poolAt(site);

    public Task<RbdImage> OpenAsync(Site site, bool readOnly = true) =>
        RbdImage.OpenAsync(PoolAt(site), ImageName, readOnly, CancellationToken.None);

    public async Task WriteAsync(Site site, ulong offset, byte[] data)
    {
        await using var image = await OpenAsync(site, readOnly: false);
        await image.WriteAsync(offset, data, CancellationToken.None);
    }

    public async Task<byte[]> ReadAsync(Site site, ulong offset, int length)
    {
        await using var image = await OpenAsync(site);
        var data = new byte[length];
        await image.ReadAsync(offset, data, CancellationToken.None);
        return data;
    }

    /// <summary>A digest of all bytes.</summary>
    public async Task<string> DigestAsync(Site site)
    {
        await using var image = await OpenAsync(site);
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var data = new byte[1 << 20];
        for (ulong offset = 0; offset < SizeBytes; offset += (ulong)data.Length)
        {
            await image.ReadAsync(offset, data, CancellationToken.None);
            digest.AppendData(data);
        }
        return Convert.ToHexString(digest.GetHashAndReset());
    }

    /// <summary>Takes a mirror snapshot, as a schedule does: only what one holds is copied.</summary>
    public async Task TakeSnapshotAsync(Site site)
    {
        await using var image = await OpenAsync(site, readOnly: false);
        await image.Mirroring.CreateSnapshotAsync(CancellationToken.None);
    }

    /// <summary>Takes a user snapshot and the mirror snapshot that carries it, and waits until the peer has both whole.</summary>
    public async Task TakePointAsync(Site site, Site peer, string snapshotName)
    {
        await using (var image = await OpenAsync(site, readOnly: false))
        {
            await image.Snapshots.CreateAsync(snapshotName, CancellationToken.None);
            await image.Mirroring.CreateSnapshotAsync(CancellationToken.None);
        }
        await Eventually.TrueAsync(
            async () =>
            {
                await using var copy = await OpenAsync(peer);
                var seen = await MemberSnapshots.ReadAsync(copy, CancellationToken.None);
                return seen.Users.SingleOrDefault(one => one.Name == snapshotName) is { } snapshot && seen.Mirrors.Any(mirror => mirror.Id > snapshot.Id && mirror.IsComplete);
            }, $"{snapshotName} is at {peer}");
    }

    public async Task<MirrorImageInfo> InfoAsync(Site site)
    {
        await using var image = await OpenAsync(site);
        return await image.Mirroring.GetInfoAsync(CancellationToken.None);
    }

    public async Task<MirrorChain> ChainAsync(Site site)
    {
        await using var image = await OpenAsync(site);
        return new MirrorChain(await image.Mirroring.ListSnapshotsAsync(CancellationToken.None));
    }

    /// <summary>Whether a peer still needs a mirror snapshot taken here other than the newest.</summary>
    public async Task<bool> IsAwaitedAsync(Site site) =>
        (await ChainAsync(site)).SincePromotion.SkipLast(1).Any(snapshot => snapshot.MirrorPeerUuids.Count > 0);

    /// <summary>Enables and promotes at a site, and waits until the peer has a complete copy.</summary>
    public async Task ProtectAsync(Site site, Site peer, string mode = "snapshot")
    {
        await EnableAsync(site, mode);
        await PromoteAsync(site);
        await AwaitCopyAsync(peer);
    }

    /// <summary>Waits until a site has a complete copy that has come from its peer.</summary>
    public Task AwaitCopyAsync(Site site) => Eventually.TrueAsync(
        async () => (await ChainAsync(site)).Newest is { State: MirrorSnapshotState.NonPrimary, IsComplete: true }, $"{ImageName} is copied to {site}");

    /// <summary>Waits until a site's mirror daemon has removed its copy, as it does after the primary was disabled.</summary>
    public Task AwaitRemovalAsync(Site site) => Eventually.TrueAsync(
        async () => !(await site.RbdAsync("ls", TwoSites.Pool)).Contains(ImageName, StringComparison.Ordinal), $"{ImageName} is removed at {site}");

    public async Task EnableAsync(Site site, string mode = "snapshot") =>
        await site.Replication.EnableVolumeReplicationAsync(
            new() { ReplicationSource = Source, Secrets = { site.Secrets }, Parameters = { ["mirroringMode"] = mode } });

    public async Task PromoteAsync(Site site, bool force = false, string? interval = null)
    {
        var request = new PromoteVolumeRequest { ReplicationSource = Source, Secrets = { site.Secrets }, Force = force };
        if (interval is not null)
            request.Parameters["schedulingInterval"] = interval;
        await site.Replication.PromoteVolumeAsync(request);
    }

    public async Task DemoteAsync(Site site, bool force = false) =>
        await site.Replication.DemoteVolumeAsync(new() { ReplicationSource = Source, Secrets = { site.Secrets }, Force = force });

    public async Task<bool> ResyncAsync(Site site, bool force = false) =>
        (await site.Replication.ResyncVolumeAsync(new() { ReplicationSource = Source, Secrets = { site.Secrets }, Force = force })).Ready;

    public async Task DisableAsync(Site site, bool force = false) =>
        await site.Replication.DisableVolumeReplicationAsync(
            new() { ReplicationSource = Source, Secrets = { site.Secrets }, Parameters = { ["force"] = force ? "true" : "false" } });

    public async Task<GetVolumeReplicationInfoResponse> GetInfoAsync(Site site) =>
        await site.Replication.GetVolumeReplicationInfoAsync(new() { ReplicationSource = Source, Secrets = { site.Secrets } });

    /// <summary>Demotes by another tool, which asks librbd alone.</summary>
    public async Task DemoteByToolAsync(Site site)
    {
        await using var image = await OpenAsync(site, readOnly: false);
        await image.Mirroring.DemoteAsync(CancellationToken.None);
    }

    /// <summary>Promotes by another tool, which asks librbd alone.</summary>
    public async Task PromoteByToolAsync(Site site, bool force)
    {
        await using var image = await OpenAsync(site, readOnly: false);
        await image.Mirroring.PromoteAsync(force, CancellationToken.None);
    }

    public async Task<string> ImageIdAsync(Site site)
    {
        await using var image = await OpenAsync(site);
        return image.GetId();
    }

    /// <summary>Waits until a site replays the journal of its peer, after the first copy.</summary>
    public Task AwaitReplayAsync(Site site) => Eventually.TrueAsync(
        async () =>
        {
            await using var image = await OpenAsync(site);
            return await ImageJournal.ReadAsync(image, CancellationToken.None) is { IsFirstCopy: false };
        }, $"{ImageName} is replayed at {site}");

    /// <summary>Waits until a site's own report says so.</summary>
    public Task AwaitReportAsync(Site site, Func<MirrorSiteStatus, bool> says, string what) => Eventually.TrueAsync(
        async () =>
        {
            await using var image = await OpenAsync(site);
            return (await image.Mirroring.GetGlobalStatusAsync(CancellationToken.None)).Local is { } own && says(own);
        }, $"{site} reports {what}");

    /// <summary>Repeats a call as the controller does, until it succeeds.</summary>
    public static Task RetryAsync(Func<Task> call, string what) => Eventually.TrueAsync(
        async () =>
        {
            await call();
            return true;
        }, what);

    /// <summary>
    /// Repeats a call, as its caller does, until it is refused with this code and these words. What it is refused with before is something
    /// that callers repeat: reports may be too old, and a mirror daemon be connecting again.
    /// </summary>
    public static Task AwaitRefusalAsync(Func<Task> call, StatusCode code, string says) => Eventually.TrueAsync(
        async () =>
        {
            var refusal = await FailureOfAsync(call);
            if (refusal.StatusCode == code && refusal.Detail.Contains(says, StringComparison.Ordinal))
                return true;
            Assert.True(refusal.StatusCode is StatusCode.Aborted or StatusCode.Unavailable, $"{refusal}");
            return false;
        }, says);

    /// <summary>The status that a call fails with.</summary>
    public static async Task<Status> FailureOfAsync(Func<Task> call) => (await Assert.ThrowsAsync<RpcException>(call)).Status;
}
