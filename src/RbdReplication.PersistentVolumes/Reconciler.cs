using RbdReplication.Core;

namespace RbdReplication.PersistentVolumes;

/// <summary>Brings the mappings of a batch of volumes up to date, those of one cluster and pool together.</summary>
internal sealed class Reconciler(ClusterFiles files, JournalOpener opener, ReconcileOptions options)
{
    /// <summary>Outcomes in the order of the requests.</summary>
    /// <param name="requests">The volumes.</param>
    /// <param name="beforeWrite">Called before each write; throws when no more may be written.</param>
    /// <param name="cancellationToken">Ends the work; a write in hand is finished.</param>
    public async Task<IReadOnlyList<ReconcileOutcome>> RunAsync(
        IReadOnlyList<ReconcileRequest> requests, Action beforeWrite, CancellationToken cancellationToken)
    {
        var batch = new ReconcileBatch(requests, beforeWrite);
        try
        {
            var settings = files.Read();
            foreach (var group in batch.All.GroupBy(i => JournalPlace.Of(settings, requests[i])).ToList())
            {
                if (group.Key is { } place)
                    await new PlaceReconciler(opener, options, place, batch, [.. group]).RunAsync(cancellationToken);
                else
                    batch.Settle(group, i => NoCluster(requests[i].Handle, "volumeHandle"));
            }
        }
        catch (ReplicationException e)
        {
            batch.Settle(batch.All, ReconcileException.From(e).Outcome);
        }
        return batch.Outcomes;
    }

    /// <summary>No cluster of the configuration can be that of a handle.</summary>
    /// <param name="handle">The handle.</param>
    /// <param name="field">The field that it is in.</param>
    public static ReconcileOutcome NoCluster(VolumeHandle handle, string field) =>
        new(ReconcileResult.ClusterNotFound, $"neither cluster {handle.ClusterId} of its {field} nor one that it is mapped to is in config.json; add that cluster there, or map its id to one that is with clusterIDMapping in cluster-mapping.json");
}
