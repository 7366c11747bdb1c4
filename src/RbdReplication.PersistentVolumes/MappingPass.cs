using System.Collections.Concurrent;
using RbdReplication.Ceph;
using RbdReplication.Core;
using RbdReplication.Kubernetes;

namespace RbdReplication.PersistentVolumes;

/// <summary>
/// Brings the mappings of a batch of volumes up to date. Volumes of one cluster and pool are checked together, through the
/// credentials of whichever of them can connect first; what has to be written is written with each volume's own.
/// </summary>
internal sealed class MappingPass(ClusterFiles files, JournalOpener opener, MappingPassOptions options)
{
    // Each costs the opening of an image.
    private const int ParallelMetadata = 8;

    // Names in one read of the directory of images.
    private const int NamesAtATime = 2000;

    // Each costs a request to the API server.
    private const int ParallelSecrets = 16;

    /// <summary>Outcomes in the order of the requests.</summary>
    /// <param name="requests">The volumes.</param>
    /// <param name="beforeWrite">Called before each write; throws when no more may be written.</param>
    /// <param name="cancellationToken">Ends the work; a write in hand is finished.</param>
    public async Task<IReadOnlyList<MappingOutcome>> RunAsync(
        IReadOnlyList<MappingRequest> requests, Action beforeWrite, CancellationToken cancellationToken)
    {
        var batch = new Batch(requests, beforeWrite);
        try
        {
            var settings = files.Read();
            foreach (var group in batch.All.GroupBy(i => PlaceOf(settings, requests[i])).ToList())
            {
                if (group.Key is { } place)
                    await RunSafelyAsync(batch, place, [.. group], cancellationToken);
                else
                    batch.Settle(group, i => new(MappingResult.ClusterNotFound, $"neither cluster {requests[i].Handle.ClusterId} of its volumeHandle nor one that it is mapped to is in config.json; add the volume's cluster there, or map its id to one that is with clusterIDMapping in cluster-mapping.json"));
            }
        }
        catch (ReplicationException e)
        {
            batch.Settle(batch.All, _ => MappingException.From(e).Outcome);
        }
        return batch.Outcomes;
    }

    /// <summary>Images by where they will be; without those of volumes that have no place.</summary>
    public IReadOnlyList<(JournalPlace Place, IReadOnlyList<AwaitedImage> Images)> ByPlace(IReadOnlyList<AwaitedImage> images)
    {
        if (images.Count == 0)
            return [];
        try
        {
            var settings = files.Read();
            return [.. images.GroupBy(image => PlaceOf(settings, image.Request)).Where(group => group.Key is not null)
                .Select(group => (group.Key!, (IReadOnlyList<AwaitedImage>)[.. group]))];
        }
        catch (ReplicationException)
        {
            // The volumes' own checks report it.
            return [];
        }
    }

    /// <summary>The volumes whose images are there now. What cannot be read is reported by the volumes' own checks.</summary>
    public async Task<IReadOnlySet<MappingRequest>> FindImagesAsync(JournalPlace place, IReadOnlyList<AwaitedImage> images, CancellationToken cancellationToken)
    {
        var there = new HashSet<MappingRequest>();
        if (await OpenAnyAsync(place, images.Select(image => image.Request.Secret), new(), new(), cancellationToken) is not { } reader)
            return there;
        try
        {
            foreach (var some in images.Chunk(NamesAtATime))
            {
                var ids = await ImageDirectory.ReadIdsAsync(reader.Journal.ImagePool, [.. some.Select(image => image.ImageName)], cancellationToken);
                there.UnionWith(some.Where(image => ids.ContainsKey(image.ImageName)).Select(image => image.Request));
            }
        }
        catch (CephException e)
        {
            opener.Failed(reader, e);
        }
        catch (ObjectDisposedException)
        {
            // Another batch found the connection or the pool to be of no more use and closed it.
        }
        return there;
    }

    private static JournalPlace? PlaceOf(ClusterSettings settings, MappingRequest request)
    {
        var candidates = JournalPlace.CandidatesFor(settings, request.Handle.ClusterId);
        return candidates.Count == 0
            ? null
            : new JournalPlace(settings, request.Handle.ClusterId, request.Pool, request.JournalPool, candidates.Count == 1 ? null : request.Secret);
    }

    private async Task RunSafelyAsync(Batch batch, JournalPlace place, IReadOnlyList<int> group, CancellationToken cancellationToken)
    {
        try
        {
            await RunAsync(batch, place, group, cancellationToken);
        }
        catch (ObjectDisposedException)
        {
            // Another batch found the connection or the pool to be of no more use and closed it.
            batch.Settle(group.Where(i => !batch.Outcomes[i].IsGood), _ => new(MappingResult.Interrupted, "the connection was closed"));
        }
    }

    private async Task RunAsync(Batch batch, JournalPlace place, IReadOnlyList<int> group, CancellationToken cancellationToken)
    {
        var opened = new ConcurrentDictionary<ObjectName, OpenJournal>();
        var failures = new ConcurrentDictionary<ObjectName, MappingOutcome>();
        if (await OpenAnyAsync(place, group.Select(i => batch.Requests[i].Secret), opened, failures, cancellationToken) is not { } reader)
        {
            batch.Settle(group, i => failures.TryGetValue(batch.Requests[i].Secret, out var own) ? own : failures.Values.First());
            return;
        }
        IReadOnlyList<MappingPlan> plans;
        try
        {
            plans = await reader.Journal.PlanAsync([.. group.Select(i => batch.Requests[i].Mapping)], cancellationToken);
            if (plans.Any(plan => plan is MappingPlan.ImageMissing))
                await opener.CheckPoolAsync(reader, cancellationToken);
        }
        catch (CephException e)
        {
            opener.Failed(reader, e);
            var outcome = MappingException.From(e, $"read the journal in pool {place.Pool} of cluster {reader.ClusterId}").Outcome;
            batch.Settle(group, _ => outcome);
            return;
        }
        catch (MappingException e)
        {
            batch.Settle(group, _ => e.Outcome);
            return;
        }
        List<(int Index, MappingPlan.Write Write)> writes = [];
        for (var n = 0; n < group.Count; n++)
        {
            if (plans[n] is MappingPlan.Write write)
                writes.Add((group[n], write));
            else
                batch.Outcomes[group[n]] = OutcomeOf(plans[n], reader.Journal.ImagePool);
        }
        if (options.DryRun)
        {
            foreach (var (i, write) in writes)
                batch.Outcomes[i] = new(write.IsNew ? MappingResult.Mapped : MappingResult.Repaired, Describe(batch.Requests[i], write, reader.Journal));
            return;
        }
        await OpenAllAsync(place, writes.Select(w => batch.Requests[w.Index].Secret), opened, failures, cancellationToken);
        // Secrets of many namespaces often hold the same user and key: what goes through one connection goes together.
        foreach (var together in writes.GroupBy(w => opened.GetValueOrDefault(batch.Requests[w.Index].Secret)?.Connection))
        {
            if (together.Key is null)
                batch.Settle(together.Select(w => w.Index), i => failures[batch.Requests[i].Secret]);
            else
                await WriteAsync(batch, opened[batch.Requests[together.First().Index].Secret], [.. together]);
        }
        if (!options.SetMetadata)
            return;
        List<int> good = [.. group.Where(i => batch.Outcomes[i].IsGood)];
        await OpenAllAsync(place, good.Select(i => batch.Requests[i].Secret), opened, failures, cancellationToken);
        batch.Settle(good.Where(i => !opened.ContainsKey(batch.Requests[i].Secret)), i => failures[batch.Requests[i].Secret]);
        await SetMetadataAsync(batch, good.Where(i => batch.Outcomes[i].IsGood), opened, cancellationToken);
    }

    /// <summary>A journal opened with the first Secret that works; null if none does.</summary>
    private async Task<OpenJournal?> OpenAnyAsync(
        JournalPlace place, IEnumerable<ObjectName> secrets, ConcurrentDictionary<ObjectName, OpenJournal> opened,
        ConcurrentDictionary<ObjectName, MappingOutcome> failures, CancellationToken cancellationToken)
    {
        foreach (var secret in secrets.Distinct())
        {
            if (await TryOpenAsync(place, secret, opened, failures, cancellationToken))
                return opened[secret];
            // Other credentials would not help, only take as long again.
            if (failures[secret].Result is MappingResult.CephUnreachable or MappingResult.ApiServerUnreachable)
                break;
        }
        return null;
    }

    /// <summary>Opens the journal with the Secret of everything that is to be written.</summary>
    private Task OpenAllAsync(
        JournalPlace place, IEnumerable<ObjectName> secrets, ConcurrentDictionary<ObjectName, OpenJournal> opened,
        ConcurrentDictionary<ObjectName, MappingOutcome> failures, CancellationToken cancellationToken) =>
        Parallel.ForEachAsync(
            secrets.Distinct().Where(secret => !opened.ContainsKey(secret) && !failures.ContainsKey(secret)),
            new ParallelOptions { MaxDegreeOfParallelism = ParallelSecrets, CancellationToken = cancellationToken },
            async (secret, token) => await TryOpenAsync(place, secret, opened, failures, token));

    private async Task<bool> TryOpenAsync(
        JournalPlace place, ObjectName secret, ConcurrentDictionary<ObjectName, OpenJournal> opened,
        ConcurrentDictionary<ObjectName, MappingOutcome> failures, CancellationToken cancellationToken)
    {
        try
        {
            opened[secret] = await opener.OpenAsync(place, secret, cancellationToken);
            return true;
        }
        catch (MappingException e)
        {
            failures[secret] = e.Outcome;
            return false;
        }
    }

    private async Task WriteAsync(Batch batch, OpenJournal writer, IReadOnlyList<(int Index, MappingPlan.Write Write)> writes)
    {
        var errors = await writer.Journal.ApplyAsync([.. writes.Select(w => (batch.Requests[w.Index].Mapping, w.Write))], batch.BeforeWrite);
        for (var n = 0; n < writes.Count; n++)
        {
            var (i, write) = writes[n];
            batch.Outcomes[i] = errors[n] is { } error
                ? OutcomeOf(error, writer)
                : new(write.IsNew ? MappingResult.Mapped : MappingResult.Repaired);
        }
    }

    private MappingOutcome OutcomeOf(CephException error, OpenJournal journal)
    {
        opener.Failed(journal, error);
        // ENOENT: the object on which the plan rests was removed meanwhile, or the pool; the next attempt tells which.
        if (error.Errno is Errno.ECANCELED or Errno.EEXIST or Errno.ENOENT)
            return new(MappingResult.Interrupted, "somebody else wrote the same entry at the same time");
        return MappingException.From(error, $"write the journal in pool {journal.Place.Pool} of cluster {journal.ClusterId}").Outcome;
    }

    private static MappingOutcome OutcomeOf(MappingPlan plan, RadosPool pool) => plan switch
    {
        MappingPlan.UpToDate => new(MappingResult.Unchanged),
        MappingPlan.ImageMissing missing => new(MappingResult.ImageNotFound, $"image {pool.SpecOf(missing.ImageName)} does not exist (yet): is it mirrored to this cluster?", missing.ImageName),
        MappingPlan.Conflict conflict => new(MappingResult.MappingConflict, $"the CSI journal in pool {pool.Name} contradicts the volume: {conflict.Problem}; nothing was changed. {conflict.WayOut}"),
        _ => throw new InvalidOperationException($"no outcome of {plan.GetType().Name}"),
    };

    private Task SetMetadataAsync(Batch batch, IEnumerable<int> mapped, ConcurrentDictionary<ObjectName, OpenJournal> opened, CancellationToken cancellationToken) =>
        Parallel.ForEachAsync(mapped, new ParallelOptions { MaxDegreeOfParallelism = ParallelMetadata, CancellationToken = cancellationToken }, async (i, token) =>
        {
            var request = batch.Requests[i];
            var journal = opened[request.Secret];
            try
            {
                await ImageMetadata.SetAsync(journal.Journal.ImagePool, request, options.ClusterName, batch.BeforeWrite, token);
            }
            catch (CephException e) when (e.Errno != Errno.ENOENT)
            {
                opener.Failed(journal, e);
                batch.Outcomes[i] = MappingException.From(e, $"set metadata of image {journal.Journal.ImagePool.SpecOf(request.Mapping.ImageName)}").Outcome;
            }
            catch (CephException)
            {
                // The mapping exists and its image does not, at the moment: it gets its metadata when it is checked next.
            }
        });

    private static string Describe(MappingRequest request, MappingPlan.Write write, MappingJournal journal)
    {
        var lines = write.ObjectKeys
            .Select(entry => $"{journal.ImagePool.SpecOf(JournalKeys.VolumeObject(request.Mapping.Uuid))}: {entry.Key} = {entry.Value}").ToList();
        if (write.DirectoryValue is { } value)
            lines.Add($"{journal.DirectorySpec}: {JournalKeys.DirectoryKey(request.Mapping.RequestName)} = {value}");
        return string.Join('\n', lines);
    }

    private sealed class Batch(IReadOnlyList<MappingRequest> requests, Action beforeWrite)
    {
        public IReadOnlyList<MappingRequest> Requests => requests;

        public Action BeforeWrite => beforeWrite;

        public MappingOutcome[] Outcomes { get; } = new MappingOutcome[requests.Count];

        public IEnumerable<int> All => Enumerable.Range(0, requests.Count);

        public void Settle(IEnumerable<int> indices, Func<int, MappingOutcome> outcome)
        {
            foreach (var i in indices)
                Outcomes[i] = outcome(i);
        }
    }
}

/// <summary>What is done beside mappings.</summary>
/// <param name="SetMetadata">Write the names of claim, namespace and cluster onto images.</param>
/// <param name="ClusterName">Name of the Kubernetes cluster; empty for none.</param>
/// <param name="DryRun">Write nothing; outcomes tell what would be written.</param>
public sealed record MappingPassOptions(bool SetMetadata, string ClusterName, bool DryRun);
