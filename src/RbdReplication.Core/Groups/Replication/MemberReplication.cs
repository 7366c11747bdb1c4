using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>What coming into a group that is replicated, and leaving it, is for a volume: nobody makes a call for that.</summary>
/// <param name="flattenReport">Gets the progress of flattening.</param>
/// <param name="time">Clock.</param>
internal sealed class MemberReplication(FlattenReport flattenReport, TimeProvider time)
{
    private readonly OpenQuestions _questions = new(time);
    private readonly Consent _consent = new(time);

    /// <summary>Gives a volume the role of a group that is primary here.</summary>
    /// <param name="open">The volume.</param>
    /// <param name="flatten">What to do with a clone.</param>
    /// <param name="cancellationToken">No further step is begun.</param>
    /// <exception cref="ReplicationException">It cannot be enabled, or has to be waited for.</exception>
    public async Task JoinAsync(OpenVolume open, FlattenMode flatten, CancellationToken cancellationToken)
    {
        var parameters = new ReplicationParameters(MirrorImageMode.Snapshot, Schedule: null, flatten, Force: false, StrictFailover: false, []);
        await new Enabling(parameters, flattenReport, _consent).RunAsync(open, cancellationToken).ConfigureAwait(false);
        await SnapshotSchedules.ClearAsync(open, cancellationToken).ConfigureAwait(false);
        await PointPlans.RemoveAsync(open, cancellationToken).ConfigureAwait(false);
        try
        {
            await new Promotion(parameters, force: false, _questions, time, _consent).RunAsync(open, cancellationToken).ConfigureAwait(false);
        }
        // What would take force is left to who may: a forced promotion of the group.
        catch (ReplicationException e) when (e.Error == ReplicationError.FailedPrecondition)
        {
        }
    }

    /// <summary>Stops replicating a volume that is primary here. The copy of the peer's is left to the site that has the primary.</summary>
    /// <param name="open">The volume.</param>
    /// <param name="cancellationToken">No further step is begun.</param>
    /// <exception cref="ReplicationException">A mirrored clone depends on it.</exception>
    public async Task LeaveAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        if (await open.Image.Mirroring.GetInfoAsync(cancellationToken).ConfigureAwait(false) is not { State: MirrorImageState.Enabled, IsPrimary: false })
        {
            await new Disabling(force: false, _questions, time, _consent).RunAsync(open, cancellationToken).ConfigureAwait(false);
            await GenerationRemoval.OfAllAsync(open, cancellationToken).ConfigureAwait(false);
        }
    }
}
