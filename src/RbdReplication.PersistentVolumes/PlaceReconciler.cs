using RbdReplication.Core;
using RbdReplication.Kubernetes;

namespace RbdReplication.PersistentVolumes;

/// <summary>
/// Brings the mappings of volumes of one place up to date: reads through the credentials of whichever of them can connect
/// first, and writes what has to be written with each volume's own.
/// </summary>
internal sealed class PlaceReconciler(JournalOpener opener, ReconcileOptions options, JournalPlace place, ReconcileBatch batch, IReadOnlyList<int> group)
{
    // Each costs the opening of an image.
    private const int ParallelMetadata = 8;

    private readonly OpenedJournals _journals = new(opener, place);

    /// <summary>Gives each volume of the group its outcome.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (await _journals.OpenAnyAsync(group.Select(SecretOf), cancellationToken) is not { } reader)
            {
                batch.Settle(group, FailureOf);
                return;
            }
            var writes = await PlanAsync(reader, cancellationToken);
            if (options.DryRun)
            {
                foreach (var (i, write) in writes)
                    batch.Outcomes[i] = new(ResultOf(write), Describe(batch.Requests[i], write, reader));
                return;
            }
            await WriteAsync(writes, cancellationToken);
            if (options.SetMetadata)
                await SetMetadataAsync(cancellationToken);
        }
        catch (ObjectDisposedException)
        {
            // Another batch found the connection or the pool to be of no more use and closed it.
            batch.Settle(group.Where(i => !batch.Outcomes[i].IsGood), ReconcileOutcome.ConnectionClosed);
        }
    }

    private ObjectName SecretOf(int i) => batch.Requests[i].Secret;

    private OpenJournal? JournalOf(int i) => _journals.With(SecretOf(i));

    private ReconcileOutcome FailureOf(int i) => _journals.FailureOf(SecretOf(i));

    /// <summary>What has to be written; the other volumes have their outcomes.</summary>
    private async Task<IReadOnlyList<(int Index, ReservationPlan.Write Write)>> PlanAsync(OpenJournal reader, CancellationToken cancellationToken)
    {
        IReadOnlyList<ReservationPlan> plans;
        try
        {
            plans = await reader.PlanAsync([.. group.Select(i => batch.Requests[i].Reservation)], cancellationToken);
            if (plans.Any(plan => plan is ReservationPlan.ImageMissing) && !await reader.IsPoolCurrentAsync(cancellationToken))
            {
                batch.Settle(group, ReconcileOutcome.PoolReplaced(place.Pool));
                return [];
            }
        }
        catch (ReplicationException e)
        {
            batch.Settle(group, ReconcileException.From(e).Outcome);
            return [];
        }
        List<(int Index, ReservationPlan.Write Write)> writes = [];
        for (var n = 0; n < group.Count; n++)
        {
            if (plans[n] is ReservationPlan.Write write)
                writes.Add((group[n], write));
            else
                batch.Outcomes[group[n]] = OutcomeOf(plans[n], reader);
        }
        return writes;
    }

    private static ReconcileOutcome OutcomeOf(ReservationPlan plan, OpenJournal journal) => plan switch
    {
        ReservationPlan.UpToDate => new(ReconcileResult.Unchanged),
        ReservationPlan.ImageMissing missing => new(ReconcileResult.ImageNotFound, $"image {journal.SpecOf(missing.ImageName)} does not exist (yet): is it mirrored to this cluster?", missing.ImageName),
        ReservationPlan.Conflict conflict => new(ReconcileResult.MappingConflict, $"the CSI journal in pool {journal.PoolName} contradicts the volume: {conflict.Problem}; nothing was changed. {conflict.WayOut}"),
        _ => throw new InvalidOperationException($"no outcome of {plan.GetType().Name}"),
    };

    private async Task WriteAsync(IReadOnlyList<(int Index, ReservationPlan.Write Write)> writes, CancellationToken cancellationToken)
    {
        await _journals.OpenAllAsync(writes.Select(w => SecretOf(w.Index)), cancellationToken);
        // Secrets of many namespaces often hold the same user and key: what goes through one connection goes together.
        foreach (var together in writes.GroupBy(w => JournalOf(w.Index)?.Connection))
        {
            if (together.Key is null)
                batch.Settle(together.Select(w => w.Index), FailureOf);
            else
                await WriteAsync(JournalOf(together.First().Index)!, [.. together]);
        }
    }

    private async Task WriteAsync(OpenJournal writer, IReadOnlyList<(int Index, ReservationPlan.Write Write)> writes)
    {
        var ends = await writer.ApplyAsync([.. writes.Select(w => (batch.Requests[w.Index].Reservation, w.Write))], batch.BeforeWrite);
        foreach (var ((i, write), end) in writes.Zip(ends))
        {
            batch.Outcomes[i] = end switch
            {
                { IsOvertaken: true } => new(ReconcileResult.Interrupted, "somebody else wrote the same entry at the same time"),
                { Failure: { } failure } => ReconcileException.From(failure).Outcome,
                _ => new(ResultOf(write)),
            };
        }
    }

    private static ReconcileResult ResultOf(ReservationPlan.Write write) => write.IsNew ? ReconcileResult.Mapped : ReconcileResult.Repaired;

    private async Task SetMetadataAsync(CancellationToken cancellationToken)
    {
        List<int> good = [.. group.Where(i => batch.Outcomes[i].IsGood)];
        await _journals.OpenAllAsync(good.Select(SecretOf), cancellationToken);
        batch.Settle(good.Where(i => JournalOf(i) is null), FailureOf);
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = ParallelMetadata, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(good.Where(i => JournalOf(i) is not null), parallel, async (i, token) =>
        {
            var request = batch.Requests[i];
            try
            {
                await JournalOf(i)!.SetMetadataAsync(
                    request.Reservation.ImageName, ImageMetadata.Prefix, ImageMetadata.Of(request, options.ClusterName), batch.BeforeWrite, token);
            }
            catch (ReplicationException e)
            {
                batch.Outcomes[i] = ReconcileException.From(e).Outcome;
            }
        });
    }

    private static string Describe(ReconcileRequest request, ReservationPlan.Write write, OpenJournal journal)
    {
        var lines = write.ObjectKeys
            .Select(entry => $"{journal.SpecOf(JournalKeys.VolumeObject(request.Reservation.Uuid))}: {entry.Key} = {entry.Value}").ToList();
        if (write.DirectoryValue is { } value)
            lines.Add($"{journal.DirectorySpec}: {JournalKeys.DirectoryKey(request.Reservation.RequestName)} = {value}");
        return string.Join('\n', lines);
    }
}
