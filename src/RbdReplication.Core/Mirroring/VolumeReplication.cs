namespace RbdReplication.Core;

/// <summary>
/// The replication calls: which operation each is, what it is called in messages, and whether it may change something. All are
/// idempotent: repeating a call leads to the same end. What each does is in <c>Operations/</c>, what is decided in <c>Rules/</c>.
/// </summary>
/// <param name="volumes">Runs operations.</param>
/// <param name="files">Cluster configuration.</param>
/// <param name="time">Clock, for waiting and for the age of reports.</param>
/// <param name="flattenReport">Gets the progress of flattening.</param>
public sealed class VolumeReplication(VolumeOperations volumes, ClusterFiles files, TimeProvider time, FlattenReport flattenReport)
{
    /// <summary>The one operation that, cut off by the end of the process, may leave an image that nothing can finish.</summary>
    public const string ForcedPromotionName = "forced promote";

    private readonly OpenQuestions _questions = new(time);

    /// <summary>Starts mirroring the image.</summary>
    public Task EnableAsync(VolumeRequest request, ReplicationParameters parameters, CancellationToken cancellationToken) =>
        volumes.ChangeAsync(request, "enable", new Enabling(parameters, flattenReport).RunAsync, cancellationToken);

    /// <summary>Makes this site's image primary and gives it its snapshot schedule.</summary>
    public Task PromoteAsync(VolumeRequest request, ReplicationParameters parameters, bool force, CancellationToken cancellationToken) =>
        volumes.ChangeAsync(request, force ? ForcedPromotionName : "promote", new Promotion(parameters, force, _questions, time).RunAsync, cancellationToken);

    /// <summary>Makes this site's image secondary, and reports success only when the peer holds all its data.</summary>
    /// <param name="request">The volume.</param>
    /// <param name="force">Demote even though no peer can take the data over now.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task DemoteAsync(VolumeRequest request, bool force, CancellationToken cancellationToken) =>
        volumes.ChangeAsync(request, "demote", new Demotion(force, _questions, time).RunAsync, cancellationToken);

    /// <summary>
    /// Tells whether a secondary image holds all that its peer had. With force, an image that has parted from its peer is
    /// thrown away and copied again.
    /// </summary>
    /// <returns>True once it holds everything.</returns>
    public async Task<bool> ResyncAsync(VolumeRequest request, bool force, CancellationToken cancellationToken)
    {
        var resync = new Resync(force, _questions, time);
        await volumes.ChangeAsync(request, "resync", resync.RunAsync, cancellationToken).ConfigureAwait(false);
        return resync.IsReady;
    }

    /// <summary>Stops mirroring and removes the snapshot schedule.</summary>
    /// <param name="request">The volume.</param>
    /// <param name="force">Disable a secondary image too; its copy stays as an ordinary image.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task DisableAsync(VolumeRequest request, bool force, CancellationToken cancellationToken) =>
        volumes.ChangeAsync(request, "disable", new Disabling(force, _questions, time).RunAsync, cancellationToken);

    /// <summary>Time, size and health of a primary image's replication.</summary>
    /// <exception cref="ReplicationException">NotFound: nothing is known yet, as it is in the first minutes of a primary.</exception>
    public Task<ReplicationInfo> GetInfoAsync(VolumeRequest request, CancellationToken cancellationToken) =>
        volumes.ReadAsync(request, "get the replication info of", new InfoReading(time).RunAsync, cancellationToken);

    /// <summary>The handle by which the peer cluster knows the volume.</summary>
    public Task<VolumeHandle> GetDestinationAsync(VolumeRequest request, CancellationToken cancellationToken) =>
        volumes.ReadAsync(request, "find the destination of", new DestinationLookup(files).RunAsync, cancellationToken);
}
