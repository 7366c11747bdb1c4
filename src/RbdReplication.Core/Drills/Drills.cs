using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>A drill, and the place it is in.</summary>
/// <param name="Place">The place.</param>
/// <param name="Drill">The drill.</param>
/// <param name="KeysElsewhere">PVs of encrypted volumes whose key is not with the image.</param>
public sealed record MadeDrill(DrillPlace Place, Drill Drill, IReadOnlyList<string> KeysElsewhere);

/// <summary>
/// Makes and removes drills. What a run that was cut off anywhere has left is finished by the next one: the drill's object names everything before
/// it is made and after it is gone, see <see cref="DrillObject"/>.
/// </summary>
/// <param name="volumes">Finds volumes.</param>
/// <param name="groups">Finds groups.</param>
/// <param name="connections">Connections to clusters.</param>
/// <param name="instanceId">ceph-csi's instance id.</param>
/// <param name="time">Clock.</param>
public sealed class Drills(VolumeResolver volumes, GroupResolver groups, ClusterConnections connections, string instanceId, TimeProvider time)
{
    // With each the primary removes a point that was chosen here, which takes two syncs.
    private const int MaximumChoices = 5;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan BlocklistDuration = TimeSpan.FromHours(1);

    /// <summary>Makes a drill, or goes on with it.</summary>
    /// <param name="request">What is asked for.</param>
    /// <param name="credentials">Ceph user and key.</param>
    /// <param name="patience">For how long to wait for a point that is named, and for another run that changes the drill.</param>
    /// <param name="cancellationToken">Begins no further step; the next run finishes it.</param>
    /// <exception cref="ReplicationException">AlreadyExists: the drill of this name is another one. FailedPrecondition: there is no such point here.</exception>
    public async Task<MadeDrill> CreateAsync(DrillRequest request, CephCredentials credentials, TimeSpan patience, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        var deadline = time.GetUtcNow() + patience;
        var sources = await DrillSources.FindAsync(volumes, groups, request, credentials, cancellationToken).ConfigureAwait(false);
        return await GuardAsync(sources.Place, $"create drill {request.Name}", async token =>
        {
            var points = new DrillPoints(request, time);
            var state = new DrillObject(sources.Place.Pool, request.Name, time);
            using var steps = CancellationTokenSource.CreateLinkedTokenSource(token);
            while (true)
            {
                var drill = await state.ReadAsync(token).ConfigureAwait(false);
                IAsyncDisposable? held;
                var isNew = drill is null;
                if (drill is null)
                {
                    var members = await points.ChooseAsync(sources, deadline, token).ConfigureAwait(false);
                    drill = new Drill(request.Name, time.GetUtcNow(), request.Namespace, request.Group?.ToString(), members);
                    held = await state.BeginAsync(drill, steps.Cancel).ConfigureAwait(false);
                }
                else
                {
                    Require($"create drill {request.Name}", DrillRules.Same(drill, request, [.. sources.Volumes.Select(source => $"{source.Handle}")]));
                    held = await LockAsync(state, deadline, steps, token).ConfigureAwait(false);
                    // The run that had it may have changed or removed it.
                    drill = held is null ? null : await state.ReadAsync(token).ConfigureAwait(false);
                }
                await using (held)
                {
                    if (held is not null && drill is not null)
                        return await MakeAsync(sources, points, state, drill, isNew, request, deadline, steps.Token).ConfigureAwait(false);
                }
                // It has come or gone at this moment.
                if (time.GetUtcNow() >= deadline)
                    throw Busy();
                await Task.Delay(Pause, time, token).ConfigureAwait(false);
            }
        }, cancellationToken).ConfigureAwait(false);
    }

    private async Task<MadeDrill> MakeAsync(
        DrillSources sources, DrillPoints points, DrillObject state, Drill drill, bool isNew, DrillRequest request, DateTimeOffset deadline, CancellationToken cancellationToken)
    {
        var pool = sources.Place.Pool;
        await DrillDirectory.AddAsync(pool, drill, cancellationToken).ConfigureAwait(false);
        for (var choice = 1; ; choice++)
        {
            var clones = new DrillClones(pool, drill, instanceId, time);
            if (await clones.MakeAsync(isNew && choice == 1, deadline, cancellationToken).ConfigureAwait(false) is not { } gone)
            {
                var keysElsewhere = await clones.EnterAsync(cancellationToken).ConfigureAwait(false);
                if (!drill.IsComplete)
                    await state.SetCompleteAsync().ConfigureAwait(false);
                return new MadeDrill(sources.Place, drill with { IsComplete = true }, [.. keysElsewhere.Select(member => member.PersistentVolume)]);
            }
            if (request.NamesPoint || drill.IsComplete || choice == MaximumChoices)
            {
                throw new ReplicationException(
                    ReplicationError.FailedPrecondition, $"cannot create drill {drill.Name}: {gone.Point.Title} of {gone.Source} has been removed meanwhile; remove the drill with drill remove, and make it of a newer point");
            }
            // None of it has been given out yet, so that all can be of a newer point.
            await clones.RemoveAsync(deadline, cancellationToken).ConfigureAwait(false);
            var chosen = await points.ChooseAsync(sources, deadline, cancellationToken).ConfigureAwait(false);
            drill = drill with { Members = [.. drill.Members.Select(member => member with { Point = chosen.Single(one => one.Source == member.Source).Point })] };
            await state.SetMembersAsync(drill.Members).ConfigureAwait(false);
        }
    }

    /// <summary>Removes a drill, or what is left of it.</summary>
    /// <param name="place">Where it is.</param>
    /// <param name="name">Its name.</param>
    /// <param name="force">Whether clients that have a volume of it open are put on the cluster's blocklist.</param>
    /// <param name="patience">For how long to wait for another run that changes the drill, and for what librbd has still to see the end of.</param>
    /// <param name="cancellationToken">Begins no further step; the next run finishes it.</param>
    /// <returns>The drill that was removed; null: there was none.</returns>
    /// <exception cref="ReplicationException">FailedPrecondition: a client has a volume of it open.</exception>
    public Task<Drill?> RemoveAsync(DrillPlace place, string name, bool force, TimeSpan patience, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(place);
        var deadline = time.GetUtcNow() + patience;
        return GuardAsync(place, $"remove drill {name}", async token =>
        {
            var state = new DrillObject(place.Pool, name, time);
            using var steps = CancellationTokenSource.CreateLinkedTokenSource(token);
            await using var held = await LockAsync(state, deadline, steps, token).ConfigureAwait(false);
            if (held is null || await state.ReadAsync(token).ConfigureAwait(false) is not { } drill)
                return null;
            var clones = new DrillClones(place.Pool, drill, instanceId, time);
            var clients = (await clones.SeeAsync(steps.Token).ConfigureAwait(false)).SelectMany(volume => volume.Clients).ToList();
            if (!force)
                Require($"remove drill {name}", DrillRules.Removal(clients));
            foreach (var address in clients.Select(client => client.Address).Distinct())
                await place.Connection.Cluster.BlocklistAsync(address, BlocklistDuration, steps.Token).ConfigureAwait(false);
            await clones.RemoveAsync(deadline, steps.Token).ConfigureAwait(false);
            await DrillDirectory.RemoveAsync(place.Pool, name, steps.Token).ConfigureAwait(false);
            await state.RemoveAsync().ConfigureAwait(false);
            return drill;
        }, cancellationToken);
    }

    // Null: it is gone.
    private async Task<IAsyncDisposable?> LockAsync(DrillObject state, DateTimeOffset deadline, CancellationTokenSource steps, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await state.TryLockAsync(steps.Cancel).ConfigureAwait(false);
            }
            catch (CephException e) when (e.Errno == Errno.EBUSY)
            {
                if (time.GetUtcNow() >= deadline)
                    throw Busy(e);
            }
            await Task.Delay(Pause, time, cancellationToken).ConfigureAwait(false);
        }
    }

    private static ReplicationException Busy(CephException? inner = null) => new(
        ReplicationError.Busy, $"another run creates or removes this drill; retry when that has ended, or if it was killed, {HeldLock.Lease.TotalSeconds:0} s after", inner);

    private static void Require(string doing, RelocationDecision decision)
    {
        if (decision.Refusal is { } refusal)
            throw new ReplicationException(refusal, $"cannot {doing}: {decision.Reason}");
    }

    private async Task<T> GuardAsync<T>(DrillPlace place, string doing, Func<CancellationToken, Task<T>> run, CancellationToken cancellationToken)
    {
        try
        {
            return await run(cancellationToken).ConfigureAwait(false);
        }
        catch (CephException e)
        {
            connections.DropIfCutOff(place.Connection, e);
            throw ReplicationException.From(e, $"{doing} in {place} ({e.Subject})");
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ReplicationException(ReplicationError.Busy, $"cannot {doing}: this run's lock ran out, so no further step was begun; retry", e);
        }
    }
}
