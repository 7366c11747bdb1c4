using System.Collections.Concurrent;
using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Relocation;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests.Faults;

/// <summary>
/// A volume at site-a in the state in which one call has all its work to do, and what has to be true once that call has
/// succeeded, whatever happened before.
/// </summary>
public sealed class FaultVolume
{
    private const string OutdatedImageId = "outdated";

    private readonly TwoSites _sites;
    private readonly CheckedVolume _content;
    private readonly ConcurrentQueue<Status> _answers = new();

    private FaultVolume(TwoSites sites, string call, string uuid)
    {
        _sites = sites;
        Call = call;
        _content = new CheckedVolume(TestVolume.At(sites.A, uuid), new Random(uuid.GetHashCode(StringComparison.Ordinal)));
    }

    /// <summary>The call that this volume is for.</summary>
    public string Call { get; }

    /// <summary>The volume as site-a names it.</summary>
    public TestVolume Volume => _content.Volume;

    /// <summary>Whether the call holds the volume while it runs.</summary>
    public bool IsChanging => Call is not (Rpc.GetInfo or Rpc.GetDestination);

    /// <summary>Promote with force, of a volume that site-b has and goes on copying to here.</summary>
    public bool IsForced { get; private init; }

    private Site Here => _sites.A;

    /// <summary>One volume for each call.</summary>
    public static Task<FaultVolume[]> ForEachCallAsync(TwoSites sites, bool forcePromotion = false) =>
        Task.WhenAll(Rpc.All.Select(call => PrepareAsync(sites, call, forcePromotion && call == Rpc.Promote)));

    private static async Task<FaultVolume> PrepareAsync(TwoSites sites, string call, bool force)
    {
        var isSecondary = call is Rpc.Promote or Rpc.Resync;
        var source = isSecondary ? sites.B : sites.A;
        var created = await TestVolume.CreateAsync(source, features: ImageFeatures.Layering | ImageFeatures.ExclusiveLock);
        var volume = new FaultVolume(sites, call, created.Handle.Uuid) { IsForced = force };
        await volume._content.WriteAsync(source, 3);
        if (call == Rpc.Enable)
            return volume;
        await created.ProtectAsync(source, sites.Other(source));
        await volume._content.WriteAsync(source, 3);
        if (call == Rpc.Disable)
            await created.PromoteAsync(source, interval: "1h");
        if (force)
            await created.TakeSnapshotAsync(source);
        if (!isSecondary)
            return volume;
        await TestVolume.AdoptAsync(sites.A, created.Handle.Uuid);
        if (!force)
            await TestVolume.RetryAsync(() => created.DemoteAsync(source), $"{source} is demoted");
        else
            await Eventually.TrueAsync(async () => await volume._content.HeldAsync(sites.A) == volume._content.Acknowledged, "all is copied");
        if (call == Rpc.Resync)
            await sites.A.Pool.WriteAsync(volume.JournalObject, new ObjectWrite().SetOmap("csi.imageid", OutdatedImageId), CancellationToken.None);
        return volume;
    }

    private string JournalObject => "csi.volume." + Volume.Handle.Uuid;

    /// <summary>Makes the call once, and keeps in mind what it was answered.</summary>
    public async Task<Status> AttemptAsync(ServerProcess server, TimeSpan patience, CancellationToken cancellationToken = default)
    {
        var status = await Rpc.StatusAsync(
            server.Replication, Call,
            new()
            {
                Source = Volume.Source,
                Secrets = Here.Secrets,
                Force = IsForced,
                Parameters = Call == Rpc.Promote ? new Dictionary<string, string> { ["schedulingInterval"] = "1h" } : new Dictionary<string, string>(),
            },
            new CallOptions(deadline: DateTime.UtcNow + patience, cancellationToken: cancellationToken));
        _answers.Enqueue(status);
        return status;
    }

    /// <summary>Whether an answer is the success of the call; of a new primary that its peer does not follow yet nothing is known.</summary>
    public bool IsSuccess(Status status) =>
        status.StatusCode == StatusCode.OK
        || (Call == Rpc.GetInfo && status.StatusCode == StatusCode.NotFound && status.Detail.Contains("has no sync time yet", StringComparison.Ordinal));

    /// <summary>Repeats the call as the controller does until it succeeds.</summary>
    public async Task ReachGoalAsync(ServerProcess server)
    {
        try
        {
            await Eventually.TrueAsync(async () => IsSuccess(await AttemptAsync(server, TimeSpan.FromMinutes(1))), $"{Call} succeeds");
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message}; it says {_answers.LastOrDefault()}", e);
        }
    }

    /// <summary>
    /// No answer said anything but "try again" before it said that all is done; on promote anything else would make the
    /// controller force.
    /// </summary>
    public void AssertPatientAnswers()
    {
        foreach (var status in _answers.Where(status => !IsSuccess(status)))
        {
            Assert.True(
                status.StatusCode is StatusCode.Aborted or StatusCode.Unavailable or StatusCode.DeadlineExceeded or StatusCode.Cancelled,
                $"{Call}: {status}");
        }
    }

    /// <summary>Role, schedule, journal and content are what the call is for, and every write is there.</summary>
    public async Task AssertGoalAsync()
    {
        await using (var image = await Volume.OpenAsync(Here))
        {
            var info = await image.Mirroring.GetInfoAsync(CancellationToken.None);
            Assert.True(info.State == (Call == Rpc.Disable ? MirrorImageState.Disabled : MirrorImageState.Enabled), $"{Call}: {info}");
            Assert.True(info.IsPrimary == Call is not (Rpc.Disable or Rpc.Demote or Rpc.Resync), $"{Call}: {info}");
            if (info.IsPrimary)
                Assert.False((await image.GetFeaturesAsync(CancellationToken.None)).HasFlag(ImageFeatures.NonPrimary), Call);
            if (Call == Rpc.Disable)
                Assert.Empty(await image.Mirroring.ListSnapshotsAsync(CancellationToken.None));
            var journal = await Here.Pool.ReadOmapAsync(JournalObject, ["csi.imageid", "csi.imagename", "csi.volname"], CancellationToken.None);
            Assert.Equal((image.GetId(), Volume.ImageName), (journal!["csi.imageid"], journal["csi.imagename"]));
            var directory = await Here.Pool.ReadOmapAsync("csi.volumes.default", ["csi.volume." + journal["csi.volname"]], CancellationToken.None);
            Assert.Equal(Volume.Handle.Uuid, Assert.Single(directory!).Value);
        }
        Assert.Equal(Call == Rpc.Promote ? "1h from midnight" : null, await VolumeState.ScheduleAsync(Here, Volume));
        Assert.True(await _content.HeldAsync(Here) == _content.Acknowledged, $"{Call}: {Here} holds {await _content.HeldAsync(Here)} of {_content.Acknowledged} writes");
        if (Call == Rpc.Demote)
            Assert.True(await _content.HeldAsync(_sites.B) == _content.Acknowledged, $"{Call}: {_sites.B} holds {await _content.HeldAsync(_sites.B)} of {_content.Acknowledged} writes");
    }

    /// <summary>
    /// Waits until nobody but the mirror daemons watches the image; of a client that died Ceph takes half a minute to forget it.
    /// The name of a dead client stays in the image's lock for longer, until the next one wants it and takes it: so that is done.
    /// </summary>
    public async Task AssertFreeAsync()
    {
        await Eventually.TrueAsync(
            async () =>
            {
                var daemons = await MirrorClients.AddressesAsync(Here);
                await using var image = await Volume.OpenAsync(Here);
                var others = (await image.ListWatchersAsync(CancellationToken.None)).Select(watcher => watcher.Address).Except(daemons).ToList();
                return others.Count == 0 ? true : throw new InvalidOperationException($"{string.Join(", ", others)} watch it; the daemons are {string.Join(", ", daemons)}");
            },
            $"nobody but the mirror daemons watches {Volume.ImageName} ({Call})");
        // What Resync leaves is the daemon's, which had to have the lock to copy.
        if (Call == Rpc.Resync)
            return;
        if (Call == Rpc.Demote)
            await AssertCopiedAgainAsync();
        else
            await _content.WriteAsync(Here, 1);
    }

    private async Task AssertCopiedAgainAsync()
    {
        await TestVolume.AdoptAsync(_sites.B, Volume.Handle.Uuid);
        await TestVolume.RetryAsync(() => Volume.PromoteAsync(_sites.B), $"{_sites.B} is promoted");
        await _content.WriteAsync(_sites.B, 1);
        await Volume.TakeSnapshotAsync(_sites.B);
        await Eventually.TrueAsync(async () => await _content.HeldAsync(Here) == _content.Acknowledged, "the daemon copies into what was demoted");
    }
}
