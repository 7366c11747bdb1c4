using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// The replication calls for a volume: which operation each is, what it is called in messages, and whether it may change something. What each
/// does is in <c>Operations/</c>, what is decided in <c>Rules/</c>.
/// </summary>
/// <param name="volumes">Runs operations.</param>
/// <param name="files">Cluster configuration.</param>
/// <param name="time">Clock, for waiting and for the age of reports.</param>
/// <param name="flattenReport">Gets the progress of flattening.</param>
/// <param name="points">Takes the consistency points that are due; null where none are.</param>
/// <param name="groups">Volume groups are served, so their members are not to be changed one by one; null where they are not.</param>
/// <param name="reports">What is read of all volumes of a pool at once; null: each info opens its image.</param>
public sealed class VolumeReplication(
    VolumeOperations volumes, ClusterFiles files, TimeProvider time, FlattenReport flattenReport, PointSchedule? points = null, GroupOptions? groups = null,
    SharedReports? reports = null)
    : IReplication
{
    /// <summary>The one operation that, cut off by the end of the process, may leave an image that nothing can finish.</summary>
    public const string ForcedPromotionName = "forced promote";

    private readonly OpenQuestions _questions = new(time);
    private readonly Consent _consent = new(time);

    /// <inheritdoc/>
    public async Task EnableAsync(VolumeRequest request, ReplicationParameters parameters, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        await ChangeUnlessAsync(
            request, "enable",
            async (volume, token) => parameters.Mode == MirrorImageMode.Snapshot
                && await NothingToDo.IsSoAsync(volume, groups is not null, NothingToDo.IsEnabled, NoSchedule, token).ConfigureAwait(false),
            new Enabling(parameters, flattenReport, _consent).RunAsync, cancellationToken).ConfigureAwait(false);
        if (parameters.ConsistencyPoints is not null)
            points?.Keep(request, isChanged: false);
    }

    /// <inheritdoc/>
    public async Task PromoteAsync(VolumeRequest request, ReplicationParameters parameters, bool force, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        await ChangeUnlessAsync(
            request, force ? ForcedPromotionName : "promote",
            (volume, token) => IsSettledAsync(volume, NothingToDo.IsPrimary, id => Promotion.HasScheduleAsync(volume, id, parameters, token), token),
            new Promotion(parameters, force, _questions, time, _consent).RunAsync, cancellationToken).ConfigureAwait(false);
        if (parameters.ConsistencyPoints is not null)
            points?.Keep(request, isChanged: true);
        else
            points?.LookAgain(request);
    }

    /// <inheritdoc/>
    public async Task DemoteAsync(VolumeRequest request, bool force, CancellationToken cancellationToken)
    {
        await ChangeAsync(request, "demote", new Demotion(force, _questions, time, _consent).RunAsync, cancellationToken).ConfigureAwait(false);
        points?.LookAgain(request);
    }

    /// <inheritdoc/>
    public async Task<bool> ResyncAsync(VolumeRequest request, bool force, CancellationToken cancellationToken)
    {
        var resync = new Resync(force, _questions, _consent);
        await ChangeAsync(request, "resync", resync.RunAsync, cancellationToken).ConfigureAwait(false);
        return resync.IsReady;
    }

    /// <inheritdoc/>
    public async Task DisableAsync(VolumeRequest request, bool force, CancellationToken cancellationToken)
    {
        await ChangeUnlessAsync(
            request, "disable",
            (volume, token) => IsSettledAsync(volume, NothingToDo.IsDisabled, NoSchedule, token),
            async (open, token) =>
            {
                await new Disabling(force, _questions, time, _consent).RunAsync(open, token).ConfigureAwait(false);
                await GenerationRemoval.OfAllAsync(open, token).ConfigureAwait(false);
            }, cancellationToken).ConfigureAwait(false);
        points?.LookAgain(request);
    }

    /// <inheritdoc/>
    public async Task<ReplicationInfo> GetInfoAsync(VolumeRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        var reading = new InfoReading(time);
        var info = await ReadInfoAsync(request, reading, cancellationToken).ConfigureAwait(false);
        if (reading.TakesPoints)
            points?.Keep(request, isChanged: false);
        return info;
    }

    private async Task<ReplicationInfo> ReadInfoAsync(VolumeRequest request, InfoReading reading, CancellationToken cancellationToken)
    {
        if (reports is not { IsUsed: true })
            return await volumes.ReadAsync(request, InfoReading.Name, reading.RunAsync, cancellationToken).ConfigureAwait(false);
        // The last of the places that the volume may be in.
        InfoLook? look = null;
        try
        {
            return await volumes.ReadAsync(
                request, InfoReading.Name,
                async (cluster, pool) => (look = await reports.LookAsync(request.Handle, cluster, pool, cancellationToken).ConfigureAwait(false)).Volume,
                reading.Of, reading.RunAsync, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (look is not null)
                reports.Report(look);
        }
    }

    /// <summary>The handle by which the peer cluster knows the volume.</summary>
    public Task<VolumeHandle> GetDestinationAsync(VolumeRequest request, CancellationToken cancellationToken) =>
        volumes.ReadAsync(request, "find the destination of", new DestinationLookup(files).RunAsync, cancellationToken);

    private static Task<bool> NoSchedule(string imageId) => Task.FromResult(true);

    // What is as it is wanted is no question any more.
    private async Task<bool> IsSettledAsync(
        Volume volume, Func<StoredMirroring, string, bool> isAsAsked, Func<string, Task<bool>> hasSchedule, CancellationToken cancellationToken)
    {
        if (!await NothingToDo.IsSoAsync(volume, groups is not null, isAsAsked, hasSchedule, cancellationToken).ConfigureAwait(false))
            return false;
        _questions.Settle(volume.Handle);
        return true;
    }

    private Task ChangeAsync(VolumeRequest request, string name, Func<OpenVolume, CancellationToken, Task> operation, CancellationToken cancellationToken) =>
        ChangeUnlessAsync(request, name, static (_, _) => Task.FromResult(false), operation, cancellationToken);

    private Task ChangeUnlessAsync(
        VolumeRequest request, string name, Func<Volume, CancellationToken, Task<bool>> isNeedless, Func<OpenVolume, CancellationToken, Task> operation, CancellationToken cancellationToken) =>
        volumes.ChangeUnlessAsync(request, name, isNeedless, groups is null ? operation : async (open, token) =>
        {
            await ReplicatedGroups.RefuseMemberAsync(open, name, token).ConfigureAwait(false);
            await operation(open, token).ConfigureAwait(false);
        }, cancellationToken);
}
