using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>The consistency points of single volumes: taken, listed and removed for who asks. Groups have their generations.</summary>
/// <param name="volumes">Runs operations.</param>
/// <param name="time">Clock.</param>
public sealed class VolumePoints(VolumeOperations volumes, TimeProvider time)
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(500);

    /// <summary>Takes one, or finishes one that was cut off.</summary>
    /// <param name="request">The volume.</param>
    /// <param name="name">Its name; null for the time.</param>
    /// <param name="keep">How many are kept; null: all.</param>
    /// <param name="cancellationToken">Begins no further step.</param>
    /// <returns>The point as it is seen then.</returns>
    /// <exception cref="ReplicationException">No point can be taken of this volume here, or Ceph fails.</exception>
    public async Task<ConsistencyPoint> TakeAsync(VolumeRequest request, PointName? name, int? keep, CancellationToken cancellationToken)
    {
        var wanted = name ?? PointRules.NameOf(time.GetUtcNow());
        await volumes.ChangeAsync(request, PointTaking.Name, new PointTaking(wanted, keep, time).RunAsync, cancellationToken).ConfigureAwait(false);
        return await GetAsync(request, wanted, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Waits until all peers that follow hold a point whole.</summary>
    /// <exception cref="ReplicationException">NotFound: it is gone. FailedPrecondition: nobody follows, or the volume is secondary here.</exception>
    public async Task<ConsistencyPoint> AwaitPeersAsync(VolumeRequest request, PointName name, CancellationToken cancellationToken)
    {
        while (true)
        {
            var point = await GetAsync(request, name, cancellationToken).ConfigureAwait(false);
            if (point.IsHeldByAll)
                return point;
            if (point.AwaitedBy.Count == 0)
                throw new ReplicationException(ReplicationError.FailedPrecondition, $"point {name.Name} of volume {request.Handle} reaches nobody: the pool has no peer that copies from this site, or the volume is not primary here any more");
            await Task.Delay(Poll, time, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<ConsistencyPoint> GetAsync(VolumeRequest request, PointName name, CancellationToken cancellationToken) =>
        (await ListAsync(request, cancellationToken).ConfigureAwait(false)).FirstOrDefault(point => point.Name == name)
        ?? throw new ReplicationException(ReplicationError.NotFound, $"volume {request.Handle} has no point {name.Name} any more: somebody has removed it just now");

    /// <summary>All points of a volume, oldest first.</summary>
    /// <exception cref="ReplicationException">Any failure.</exception>
    public Task<IReadOnlyList<ConsistencyPoint>> ListAsync(VolumeRequest request, CancellationToken cancellationToken) => volumes.ReadAsync(
        request, "list the points of",
        async (open, token) =>
        {
            var isPrimary = await open.Image.Mirroring.GetInfoAsync(token).ConfigureAwait(false) is { State: MirrorImageState.Enabled, IsPrimary: true };
            return PointRules.List(
                await MemberSnapshots.ReadAsync(open.Image, token).ConfigureAwait(false), isPrimary ? await PointTaking.FollowersAsync(open, token).ConfigureAwait(false) : []);
        }, cancellationToken);

    /// <summary>Removes one. The peers remove theirs with the next mirror snapshot.</summary>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="ReplicationException">FailedPrecondition: the volume is secondary here.</exception>
    public async Task<bool> RemoveAsync(VolumeRequest request, PointName name, CancellationToken cancellationToken)
    {
        const string Doing = "remove a point of";
        var isThere = false;
        await volumes.ChangeAsync(
            request, Doing,
            async (open, token) =>
            {
                isThere = PointRules.Find(await MemberSnapshots.ReadAsync(open.Image, token).ConfigureAwait(false), name) is not null;
                if (!isThere)
                    return;
                if (await open.Image.Mirroring.GetInfoAsync(token).ConfigureAwait(false) is { State: not MirrorImageState.Disabled, IsPrimary: false })
                    throw open.Refused(Doing, ReplicationError.FailedPrecondition, "it is secondary at this site, and what is removed at the primary goes here with the next mirror snapshot; remove the point at the primary site");
                await open.ForWritingAsync(token).ConfigureAwait(false);
                await GenerationRemoval.RemoveAsync(open.Image, name.ToString(), token).ConfigureAwait(false);
            }, cancellationToken).ConfigureAwait(false);
        return isThere;
    }
}
