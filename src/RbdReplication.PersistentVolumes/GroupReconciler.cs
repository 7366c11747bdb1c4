using RbdReplication.Core;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Groups;

namespace RbdReplication.PersistentVolumes;

/// <summary>Brings the journal's entries of volume groups up to date, those of one cluster and pool together.</summary>
/// <param name="files">Cluster configuration.</param>
/// <param name="opener">Opens the journals.</param>
/// <param name="regeneration">Plans and writes.</param>
/// <param name="readClass">Reads a VolumeGroupReplicationClass; null if there is none of that name.</param>
/// <param name="dryRun">Write nothing; outcomes tell what would be written.</param>
internal sealed class GroupReconciler(
    ClusterFiles files, JournalOpener opener, GroupRegeneration regeneration, Func<string, CancellationToken, Task<VolumeGroupClass?>> readClass, bool dryRun)
{
    // Each takes a lock, reads once more, writes, and gives the lock back.
    private const int ParallelWrites = 16;

    /// <summary>Outcomes in the order of the groups.</summary>
    /// <param name="contents">The groups.</param>
    /// <param name="beforeWrite">Called before each write; throws when no more may be written.</param>
    /// <param name="cancellationToken">Ends the work; a write in hand is finished.</param>
    public async Task<IReadOnlyList<ReconcileOutcome>> RunAsync(
        IReadOnlyList<VolumeGroupContent> contents, Action beforeWrite, CancellationToken cancellationToken)
    {
        var outcomes = new ReconcileOutcome[contents.Count];
        var requests = await ReadAsync(contents, outcomes, cancellationToken);
        try
        {
            var settings = files.Read();
            foreach (var group in requests.GroupBy(r => JournalPlace.Of(settings, r.Request.Handle, r.Request.Pool, r.Request.Pool, r.Request.Secret)).ToList())
            {
                if (group.Key is { } place)
                    await RunAsync(place, [.. group], outcomes, beforeWrite, cancellationToken);
                else
                    Settle(outcomes, group, request => Reconciler.NoCluster(request.Handle, "volumeGroupReplicationHandle"));
            }
        }
        catch (ReplicationException e)
        {
            Settle(outcomes, requests, _ => ReconcileException.From(e).Outcome);
        }
        return outcomes;
    }

    private async Task<IReadOnlyList<(int Index, GroupRequest Request)>> ReadAsync(
        IReadOnlyList<VolumeGroupContent> contents, ReconcileOutcome[] outcomes, CancellationToken cancellationToken)
    {
        List<(int, GroupRequest)> requests = [];
        Dictionary<string, VolumeGroupClass?> classes = new(StringComparer.Ordinal);
        for (var i = 0; i < contents.Count; i++)
        {
            try
            {
                var content = contents[i];
                if (content.NeedsClass)
                {
                    if (!classes.TryGetValue(content.ClassName!, out var groupClass))
                        classes[content.ClassName!] = groupClass = await readClass(content.ClassName!, cancellationToken);
                    content = groupClass is null ? content : content.CompletedBy(groupClass);
                }
                if (GroupRequest.From(content, out var problem) is { } request)
                    requests.Add((i, request));
                else
                    outcomes[i] = new(ReconcileResult.InvalidGroup, problem);
            }
            catch (KubernetesApiException e)
            {
                outcomes[i] = ReconcileException.OfClass(e, contents[i].ClassName!).Outcome;
            }
        }
        return requests;
    }

    private async Task RunAsync(
        JournalPlace place, IReadOnlyList<(int Index, GroupRequest Request)> group, ReconcileOutcome[] outcomes, Action beforeWrite, CancellationToken cancellationToken)
    {
        var journals = new OpenedJournals(opener, place);
        try
        {
            if (await journals.OpenAnyAsync(group.Select(r => r.Request.Secret), cancellationToken) is not { } reader)
            {
                Settle(outcomes, group, request => journals.FailureOf(request.Secret));
                return;
            }
            var plans = await regeneration.PlanAsync(reader, [.. group.Select(r => r.Request.Reservation)], cancellationToken);
            if (plans.Any(plan => plan is GroupPlan.ImageMissing) && !await reader.IsPoolCurrentAsync(cancellationToken))
            {
                Settle(outcomes, group, _ => ReconcileOutcome.PoolReplaced(place.Pool));
                return;
            }
            List<(int Index, GroupRequest Request)> writes = [];
            foreach (var (request, plan) in group.Zip(plans))
            {
                if (plan is GroupPlan.Write && !dryRun)
                    writes.Add(request);
                else
                    outcomes[request.Index] = OutcomeOf(plan, request.Request, reader);
            }
            await WriteAsync(journals, writes, outcomes, beforeWrite, cancellationToken);
        }
        catch (ReplicationException e)
        {
            Settle(outcomes, group, _ => ReconcileException.From(e).Outcome);
        }
        catch (ObjectDisposedException)
        {
            // Another batch found the connection or the pool to be of no more use and closed it.
            Settle(outcomes, group.Where(r => !outcomes[r.Index].IsGood), _ => ReconcileOutcome.ConnectionClosed);
        }
    }

    private async Task WriteAsync(
        OpenedJournals journals, IReadOnlyList<(int Index, GroupRequest Request)> writes, ReconcileOutcome[] outcomes, Action beforeWrite, CancellationToken cancellationToken)
    {
        await journals.OpenAllAsync(writes.Select(w => w.Request.Secret), cancellationToken);
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = ParallelWrites, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(writes, parallel, async (write, _) =>
            outcomes[write.Index] = journals.With(write.Request.Secret) is { } journal
                ? await WriteAsync(journal, write.Request, beforeWrite)
                : journals.FailureOf(write.Request.Secret));
    }

    private async Task<ReconcileOutcome> WriteAsync(OpenJournal journal, GroupRequest request, Action beforeWrite)
    {
        try
        {
            var plan = await regeneration.WriteAsync(journal, request.Reservation, beforeWrite);
            return plan is GroupPlan.Write write ? new(ResultOf(write)) : OutcomeOf(plan, request, journal);
        }
        catch (ReplicationException e) when (e.Error == ReplicationError.Busy)
        {
            return new(ReconcileResult.Interrupted, e.Message);
        }
        catch (ReplicationException e)
        {
            return ReconcileException.From(e).Outcome;
        }
    }

    private static ReconcileOutcome OutcomeOf(GroupPlan plan, GroupRequest request, OpenJournal journal) => plan switch
    {
        GroupPlan.UpToDate => new(ReconcileResult.Unchanged),
        GroupPlan.ImageMissing missing => new(
            ReconcileResult.ImageNotFound,
            $"image {journal.SpecOf(missing.ImageName)} of the group{(missing.Others == 0 ? "" : $", and {missing.Others} more,")} does not exist (yet): is it mirrored to this cluster?"),
        GroupPlan.Conflict conflict => new(
            ReconcileResult.MappingConflict, $"the CSI journal in pool {journal.PoolName} contradicts the group: {conflict.Problem}; nothing was changed. {conflict.WayOut}"),
        GroupPlan.Write write => new(ResultOf(write), Describe(write, request.Reservation, journal)),
        _ => throw new InvalidOperationException($"no outcome of {plan.GetType().Name}"),
    };

    private static ReconcileResult ResultOf(GroupPlan.Write write) => write.IsNew ? ReconcileResult.Mapped : ReconcileResult.Repaired;

    private static string Describe(GroupPlan.Write write, GroupReservation wanted, OpenJournal journal)
    {
        var lines = write.ObjectKeys.Select(entry => $"{journal.SpecOf(GroupKeys.GroupObject(wanted.Uuid))}: {entry.Key} = {entry.Value}").ToList();
        if (!write.IsListed)
            lines.Add($"{journal.Groups.DirectorySpec}: {GroupKeys.DirectoryKey(wanted.RequestName)} = {wanted.Uuid}");
        return string.Join('\n', lines);
    }

    private static void Settle(ReconcileOutcome[] outcomes, IEnumerable<(int Index, GroupRequest Request)> requests, Func<GroupRequest, ReconcileOutcome> outcome)
    {
        foreach (var (index, request) in requests)
            outcomes[index] = outcome(request);
    }
}
