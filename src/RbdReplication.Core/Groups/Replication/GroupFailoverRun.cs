namespace RbdReplication.Core;

/// <summary>Gets told to which instant a group has come by a forced promotion.</summary>
/// <param name="group">The group.</param>
/// <param name="failover">The promotion, which has ended.</param>
public delegate void FailoverReport(VolumeHandle group, GroupFailover failover);

/// <summary>
/// Promoting a group by force: what is to be done is written down before the first member is promoted, and stays written down until all have
/// returned to one instant, so that one which was cut off anywhere is finished by the next call, forced or not.
/// </summary>
/// <param name="parameters">The schedule.</param>
/// <param name="questions">Since when volumes are wanted as primary.</param>
/// <param name="time">Clock.</param>
/// <param name="report">Gets told how it ended.</param>
internal sealed class GroupFailoverRun(ReplicationParameters parameters, OpenQuestions questions, TimeProvider time, FailoverReport report)
{
    private readonly List<FailoverSighting> _seen = [];
    private GroupFailover? _failover;
    private GroupFailover? _ended;

    /// <summary>What is done to each member.</summary>
    public async Task PromoteAsync(OpenVolume open, Consent consent, CancellationToken cancellationToken)
    {
        var info = await open.RequireMirroredAsync(cancellationToken).ConfigureAwait(false);
        var snapshots = await MemberSnapshots.ReadAsync(open.Image, cancellationToken).ConfigureAwait(false);
        lock (_seen)
            _seen.Add(new FailoverSighting(info.IsPrimary, snapshots));
        await new Promotion(parameters with { Schedule = null }, force: true, questions, time, consent).RunAsync(open, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What is written down before.</summary>
    /// <exception cref="ReplicationException">FailedPrecondition: there is no instant to return to.</exception>
    public GroupState Begun(GroupState? now) => Ended(now) with { Failover = now?.Failover ?? (_failover ??= Decide()) };

    /// <summary>What is written down in the end.</summary>
    public GroupState Ended(GroupState? now) =>
        ((now ?? new GroupState(WantedRole.Primary, null)) with { Role = WantedRole.Primary, Failover = null, LastFailover = _ended ?? now?.LastFailover }).ScheduledBy(parameters);

    private GroupFailover Decide()
    {
        var decision = FailoverRules.Decide(_seen, out var to);
        return decision.Refusal is { } refusal
            ? throw new ReplicationException(refusal, $"cannot promote it by force: {decision.Reason}")
            : new GroupFailover(time.GetUtcNow(), to?.ToString(), to is { } generation ? FailoverRules.LeftBehind(_seen, generation) : null);
    }

    /// <summary>Brings all members, which are promoted, to the instant that was written down.</summary>
    public async Task ReturnAsync(VolumeGroup group, GroupFailover failover, CancellationToken cancellationToken)
    {
        _ended = failover;
        if (failover.SnapshotName is { } name)
        {
            if (GenerationName.Parse(name) is not { } generation)
                throw new ReplicationException(ReplicationError.Unexpected, $"{group}: what a forced promotion is to return to is written down as \"{name}\", which is no generation");
            var reached = await GenerationFailover.RunAsync(group.Pool, [.. _seen.Select(member => member.Snapshots.ImageId)], generation, cancellationToken).ConfigureAwait(false);
            _ended = failover with
            {
                SnapshotName = reached.ToString(),
                LeftBehind = failover.LeftBehind > reached.Number ? failover.LeftBehind : null,
                TakenBy = FailoverRules.TakenBy([.. _seen.Select(member => member.Snapshots)], reached),
            };
        }
        report(group.Handle, _ended);
    }
}
