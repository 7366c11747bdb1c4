using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Taking a consistency point: a user snapshot, and the mirror snapshot that carries it to the peers.</summary>
/// <param name="name">Its name. Where there is one of this name there will be no second, and only what is missing is done.</param>
/// <param name="keep">How many points are kept, with this one; null: all that are there.</param>
/// <param name="time">Clock.</param>
internal sealed class PointTaking(PointName name, int? keep, TimeProvider time)
{
    /// <summary>What is done, to follow "cannot".</summary>
    public const string Name = "snapshot";

    /// <summary>Takes it. Cut off anywhere, it is finished by the next call with this name.</summary>
    /// <exception cref="ReplicationException">FailedPrecondition, NotConfigured: no point can be taken of this volume here.</exception>
    public async Task RunAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        await RequireAsync(open, cancellationToken).ConfigureAwait(false);
        await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
        // Another server may have changed its role before the lock was ours.
        await RequireAsync(open, cancellationToken).ConfigureAwait(false);
        var image = await MemberSnapshots.ReadAsync(open.Image, cancellationToken).ConfigureAwait(false);
        var present = PointRules.Find(image, name);
        if (present is not null)
            open.Require(Name, PointRules.Reuse(image, present));
        // First, since an image may have a limit of snapshots, and so that the peer is told of both by one mirror snapshot.
        if (keep is { } count)
            await TidyAsync(open, image, present is null ? count - 1 : count, cancellationToken).ConfigureAwait(false);
        if (present is null)
        {
            cancellationToken.ThrowIfCancellationRequested();
            await open.Image.Snapshots.CreateAsync(name.ToString(), CancellationToken.None).ConfigureAwait(false);
        }
        else if (PointRules.IsCarried(image, present))
        {
            return;
        }
        await ManagersTurn.AwaitAsync(open, time, cancellationToken).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        await open.Image.Mirroring.TakeSnapshotAsync(cancellationToken).ConfigureAwait(false);
    }

    private static async Task RequireAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var info = await open.RequireMirroredAsync(cancellationToken).ConfigureAwait(false);
        open.Require(Name, PointRules.Take(info.IsPrimary, await open.GetModeAsync(cancellationToken).ConfigureAwait(false)));
        if (await ReplicatedGroups.FindAsync(open, cancellationToken).ConfigureAwait(false) is { } group)
            throw open.Refused(Name, ReplicationError.NotConfigured, $"it belongs to volume group {group}, which is replicated as a whole: its generations are the points of all its volumes at one instant");
    }

    /// <summary>The peers that follow a primary image.</summary>
    internal static async Task<IReadOnlyCollection<PointFollower>> FollowersAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var sites = await open.Volume.Connection.GetSitesAsync(open.Volume.Pool, cancellationToken).ConfigureAwait(false);
        var status = await open.Image.Mirroring.GetGlobalStatusAsync(cancellationToken).ConfigureAwait(false);
        return [.. sites.FollowersOf(status).Select(peer => new PointFollower(peer.Uuid, peer.SiteName, LastSync(status, peer)))];
    }

    private static DateTimeOffset? LastSync(MirrorGlobalStatus status, MirrorPeerSite peer) =>
        status.Peers.FirstOrDefault(report => report.MirrorUuid == peer.MirrorUuid) is { } report ? SyncReport.Parse(report.Description)?.LocalSnapshotTime : null;

    private static async Task TidyAsync(OpenVolume open, MemberSnapshots image, int stay, CancellationToken cancellationToken)
    {
        var followers = await FollowersAsync(open, cancellationToken).ConfigureAwait(false);
        foreach (var snapshot in PointRules.Unneeded(image, [.. followers.Select(peer => peer.Uuid)], stay))
        {
            cancellationToken.ThrowIfCancellationRequested();
            await GenerationRemoval.RemoveAsync(open.Image, snapshot.SnapshotName, CancellationToken.None).ConfigureAwait(false);
        }
    }
}
