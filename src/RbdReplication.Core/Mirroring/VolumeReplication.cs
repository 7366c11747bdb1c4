using System.Globalization;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>A volume and the credentials to reach it, as every call names them.</summary>
/// <param name="Handle">Volume handle.</param>
/// <param name="Credentials">Ceph user and key.</param>
public sealed record VolumeRequest(VolumeHandle Handle, CephCredentials Credentials);

/// <summary>
/// The replication calls. Each resolves its volume, opens the image read-only, decides, and only where there is something to
/// change opens it for writing, with a lock that keeps other servers off it; changing calls hold the volume's gate until librbd has truly
/// finished. All are idempotent: repeating a call leads to the same end.
/// </summary>
/// <param name="resolver">Finds images.</param>
/// <param name="files">Cluster configuration.</param>
/// <param name="gate">One changing call per volume of this server.</param>
/// <param name="locks">One server per volume.</param>
/// <param name="time">Clock, for waiting and for the age of reports.</param>
/// <param name="flattenReport">Gets the progress of flattening.</param>
public sealed class VolumeReplication(
    VolumeResolver resolver, ClusterFiles files, VolumeGate gate, VolumeLocks locks, TimeProvider time, FlattenReport flattenReport)
{
    /// <summary>The one operation that, cut off by the end of the process, may leave an image that nothing can finish.</summary>
    public const string ForcedPromotionName = "forced promote";

    private readonly OpenQuestions _questions = new(time);

    /// <summary>Starts mirroring the image.</summary>
    public Task EnableAsync(VolumeRequest request, ReplicationParameters parameters, CancellationToken cancellationToken) =>
        ChangeAsync(request, "enable", async (open, token) =>
        {
            var info = await open.Image.Mirroring.GetInfoAsync(token).ConfigureAwait(false);
            switch (info.State)
            {
                case MirrorImageState.Enabled:
                    open.Require("enable", EnableRules.Mode(await open.GetModeAsync(token).ConfigureAwait(false), parameters.Mode));
                    return;
                case MirrorImageState.Disabled:
                    open.Require("enable", EnableRules.Key(await open.Image.ListMetadataAsync("", token).ConfigureAwait(false)));
                    await CloneParent.PrepareAsync(open, parameters.Flatten, flattenReport, token).ConfigureAwait(false);
                    await open.ForWritingAsync(token).ConfigureAwait(false);
                    await EnableMirroringAsync(open, parameters.Mode, token).ConfigureAwait(false);
                    return;
                default:
                    throw Passing(open, info);
            }
        }, cancellationToken);

    private static async Task EnableMirroringAsync(OpenVolume open, MirrorImageMode mode, CancellationToken cancellationToken)
    {
        try
        {
            await open.Image.Mirroring.EnableAsync(mode, cancellationToken).ConfigureAwait(false);
        }
        catch (CephException e) when (e.Errno == Errno.EINVAL)
        {
            await PoolMode.RequireImageByImageAsync(open, "enable", cancellationToken).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Makes this site's image primary and gives it its snapshot schedule.</summary>
    public Task PromoteAsync(VolumeRequest request, ReplicationParameters parameters, bool force, CancellationToken cancellationToken) =>
        ChangeAsync(request, force ? ForcedPromotionName : "promote", async (open, token) =>
        {
            var info = await RequireEnabledAsync(open, token).ConfigureAwait(false);
            if (!info.IsPrimary)
                await PromoteSecondaryAsync(open, parameters, force, token).ConfigureAwait(false);
            else if (CutOffRules.IsReadOnlyPrimary(info.IsPrimary, await open.Image.GetFeaturesAsync(token).ConfigureAwait(false)))
                await FinishPromotionAsync(open, token).ConfigureAwait(false);
            _questions.Settle(open.Volume.Handle);
            if (parameters.Schedule is { } schedule
                && await open.GetModeAsync(token).ConfigureAwait(false) == MirrorImageMode.Snapshot)
            {
                await SetScheduleAsync(open, schedule, token).ConfigureAwait(false);
            }
        }, cancellationToken);

    private async Task SetScheduleAsync(OpenVolume open, ReplicationSchedule schedule, CancellationToken cancellationToken)
    {
        try
        {
            await SnapshotSchedules.SetAsync(open, schedule, cancellationToken).ConfigureAwait(false);
        }
        catch (CephException e)
        {
            resolver.DropIfCutOff(open.Volume.Connection, e);
            throw ReplicationException.From(e, $"set the snapshot schedule of {open.Volume}, which is promoted");
        }
    }

    private static async Task FinishPromotionAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        await Resync.WithdrawAsync(open, cancellationToken).ConfigureAwait(false);
        await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
        // Another tool may have been in the middle of it; with the lock it is no server of ours.
        var info = await RequireEnabledAsync(open, cancellationToken).ConfigureAwait(false);
        if (!CutOffRules.IsReadOnlyPrimary(info.IsPrimary, await open.Image.GetFeaturesAsync(cancellationToken).ConfigureAwait(false)))
            throw open.Refused("promote", ReplicationError.Busy, "another tool has changed its role just now; retry");
        await open.Image.Mirroring.DemoteAsync(cancellationToken).ConfigureAwait(false);
        await open.Image.Mirroring.PromoteAsync(force: false, cancellationToken).ConfigureAwait(false);
    }

    private async Task PromoteSecondaryAsync(OpenVolume open, ReplicationParameters parameters, bool force, CancellationToken cancellationToken)
    {
        // Who wants it as primary does not want it thrown away, and librbd's promotion leaves such a request where it is.
        await Resync.WithdrawAsync(open, cancellationToken).ConfigureAwait(false);
        if (force)
            await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
        if ((await DecideOnRollbackAsync(open, cancellationToken).ConfigureAwait(false)).Refusal is not null)
        {
            // So it looks, too, while another server is in the middle of it; with the lock it is known that none is.
            await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
            open.Require("promote", await DecideOnRollbackAsync(open, cancellationToken).ConfigureAwait(false));
        }
        if (force)
            await ForcedPromotion.RunAsync(open, time, cancellationToken).ConfigureAwait(false);
        else
            await new Promotion(open, _questions, time).RunAsync(parameters.StrictFailover, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<RelocationDecision> DecideOnRollbackAsync(OpenVolume open, CancellationToken cancellationToken) =>
        CutOffRules.Rollback(await MirrorChain.ReadAsync(open.Image.Mirroring, cancellationToken).ConfigureAwait(false));

    /// <summary>Makes this site's image secondary, and reports success only when the peer holds all its data.</summary>
    /// <param name="request">The volume.</param>
    /// <param name="force">Demote even though no peer can take the data over now.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task DemoteAsync(VolumeRequest request, bool force, CancellationToken cancellationToken) =>
        ChangeAsync(request, "demote", async (open, token) =>
        {
            var info = await RequireEnabledAsync(open, token).ConfigureAwait(false);
            await new Demotion(open, _questions, time).RunAsync(info.IsPrimary, force, token).ConfigureAwait(false);
        }, cancellationToken);

    /// <summary>
    /// Tells whether a secondary image holds all that its peer had. With force, an image that has parted from its peer is
    /// thrown away and copied anew.
    /// </summary>
    /// <returns>True once it holds everything.</returns>
    public async Task<bool> ResyncAsync(VolumeRequest request, bool force, CancellationToken cancellationToken)
    {
        var ready = false;
        await ChangeAsync(request, "resync", async (open, token) =>
        {
            var info = await RequireEnabledAsync(open, token).ConfigureAwait(false);
            open.Require("resync", ResyncRules.Secondary(info.IsPrimary));
            ready = await Resync.RunAsync(open, force, _questions, time, token).ConfigureAwait(false);
        }, cancellationToken).ConfigureAwait(false);
        return ready;
    }

    /// <summary>Stops mirroring and removes the snapshot schedule.</summary>
    /// <param name="request">The volume.</param>
    /// <param name="force">Disable a secondary image too; its copy stays as an ordinary image.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task DisableAsync(VolumeRequest request, bool force, CancellationToken cancellationToken) =>
        ChangeAsync(request, "disable", async (open, token) =>
        {
            _questions.Settle(open.Volume.Handle);
            var info = await open.Image.Mirroring.GetInfoAsync(token).ConfigureAwait(false);
            if (info.State == MirrorImageState.Disabled)
            {
                if (!await FinishEnablingAsync(open, token).ConfigureAwait(false))
                    return;
                info = await open.Image.Mirroring.GetInfoAsync(token).ConfigureAwait(false);
            }
            var step = DisableRules.Decide(info, force);
            if (step == DisableStep.Look)
                step = DisableRules.Decide(await Sighting.ReadAsync(open, time, token).ConfigureAwait(false));
            switch (step)
            {
                case DisableStep.Finish:
                    // The schedule was removed before.
                    await EndMirroringAsync(open, force: true, token).ConfigureAwait(false);
                    return;
                case DisableStep.LeaveToDaemon:
                    return;
                case DisableStep.Refuse:
                    throw open.Refused("disable", ReplicationError.FailedPrecondition, DisableRules.NotFollowing);
                case DisableStep.AwaitState:
                    throw Passing(open, info);
            }
            await CloneParent.RequireNoMirroredCloneAsync(open, token).ConfigureAwait(false);
            await open.LockAsync().ConfigureAwait(false);
            if (await open.GetModeAsync(token).ConfigureAwait(false) == MirrorImageMode.Snapshot)
                await SnapshotSchedules.RemoveAsync(open.Volume.Connection, open.Image, token).ConfigureAwait(false);
            await EndMirroringAsync(open, force || !info.IsPrimary, token).ConfigureAwait(false);
        }, cancellationToken);

    private static async Task<bool> FinishEnablingAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var chain = await MirrorChain.ReadAsync(open.Image.Mirroring, cancellationToken).ConfigureAwait(false);
        if (!CutOffRules.IsHalfEnabled(chain))
            return false;
        await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
        await open.Image.Mirroring.EnableAsync(MirrorImageMode.Snapshot, cancellationToken).ConfigureAwait(false);
        return true;
    }

    private static async Task EndMirroringAsync(OpenVolume open, bool force, CancellationToken cancellationToken)
    {
        await Resync.WithdrawAsync(open, cancellationToken).ConfigureAwait(false);
        await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await open.Image.Mirroring.DisableAsync(force, cancellationToken).ConfigureAwait(false);
        }
        catch (CephException e) when (e.Errno == Errno.EINVAL)
        {
            await PoolMode.RequireImageByImageAsync(open, "disable", cancellationToken).ConfigureAwait(false);
            throw;
        }
        var left = await open.Image.Mirroring.GetInfoAsync(cancellationToken).ConfigureAwait(false);
        if (left.State != MirrorImageState.Disabled)
            throw Passing(open, left);
    }

    /// <summary>Time, size and health of a primary image's replication.</summary>
    /// <exception cref="ReplicationException">NotFound: nothing is known yet, as it is in the first minutes of a primary.</exception>
    public Task<ReplicationInfo> GetInfoAsync(VolumeRequest request, CancellationToken cancellationToken) =>
        ReadAsync(request, "get the replication info of", async (open, token) =>
        {
            var imageId = open.Image.GetId();
            var reading = SnapshotSchedules.ListInForceAsync(open.Volume.Connection, open.Volume.Pool, [imageId], token);
            var asked = open.Image.Mirroring.GetGlobalStatusAsync(token);
            var sites = await open.Volume.Connection.GetSitesAsync(open.Volume.Pool, token).ConfigureAwait(false);
            var global = await asked.ConfigureAwait(false);
            RequireEnabled(open, global.Info);
            if (!global.Info.IsPrimary)
                throw open.Refused("get the replication info of", ReplicationError.FailedPrecondition, "it is secondary at this site; ask the primary site");
            var chain = await MirrorChain.ReadAsync(open.Image.Mirroring, token).ConfigureAwait(false);
            var schedules = (await reading.ConfigureAwait(false)).GetValueOrDefault(imageId, []);
            // The first snapshot stays until the peer has a newer one. Journal mode has none, and keeps no time.
            var primarySince = chain.SincePromotion.FirstOrDefault()?.TakenAt ?? open.Image.GetCreateTimestamp().ToDateTimeOffset();
            var info = ReplicationInfo.Of(global, sites, schedules, primarySince, Now);
            if (info.IsAwaited)
                throw new ReplicationException(ReplicationError.NotFound, $"{open.Volume} has no sync time yet: {info.Message}");
            return info;
        }, cancellationToken);

    /// <summary>
    /// The handle by which the peer cluster knows the volume. It depends on the configuration alone, so states that pass are no
    /// reason to refuse: the controller does not record any other success until it has this one.
    /// </summary>
    public Task<VolumeHandle> GetDestinationAsync(VolumeRequest request, CancellationToken cancellationToken) =>
        ReadAsync(request, "find the destination of", async (open, token) =>
        {
            var info = await open.Image.Mirroring.GetInfoAsync(token).ConfigureAwait(false);
            return info.State == MirrorImageState.Disabled ? throw Refused(EnableRules.Mirrored(info.State, $"{open.Volume}")) : Destination(open);
        }, cancellationToken);

    private VolumeHandle Destination(OpenVolume open)
    {
        var volume = open.Volume;
        if (files.Read().Config.Find(volume.Cluster.ClusterId)?.ReplicationDestination is not { } destination)
            return volume.Handle;
        var poolId = volume.Handle.PoolId;
        if (destination.PoolIdTextOf(volume.Pool.Name) is { } text
            && !long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out poolId))
        {
            throw new ReplicationException(
                ReplicationError.NotConfigured,
                $"cannot find the destination of {volume}: the cluster configuration maps pool {volume.Pool.Name} of cluster {volume.Cluster.ClusterId} to \"{text}\", which is no pool number");
        }
        try
        {
            return volume.Handle.WithLocation(destination.RemoteClusterId, poolId);
        }
        catch (ArgumentException e)
        {
            throw new ReplicationException(
                ReplicationError.NotConfigured, $"cannot find the destination of {volume}: replicationDestination of cluster {volume.Cluster.ClusterId} in the cluster configuration cannot be used: {e.Message}", e);
        }
    }

    private Task<bool> ChangeAsync(
        VolumeRequest request, string operation, Func<OpenVolume, CancellationToken, Task> body, CancellationToken cancellationToken) =>
        gate.RunAsync(request.Handle, operation, token => ChangeLockedAsync(request, operation, body, token), cancellationToken);

    private async Task<bool> ChangeLockedAsync(
        VolumeRequest request, string operation, Func<OpenVolume, CancellationToken, Task> body, CancellationToken cancellationToken)
    {
        using var steps = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            return await RunAsync(request, operation, async (open, token) =>
            {
                open.LockWith(() => locks.TakeAsync(open.Volume.Pool, request.Handle, operation, steps.Cancel, token));
                await body(open, token).ConfigureAwait(false);
                return true;
            }, steps.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ReplicationException(
                ReplicationError.Busy, $"volume {request.Handle}: this server's lock ran out during {operation}, so no further step was begun; retry", e);
        }
    }

    private async Task<T> ReadAsync<T>(
        VolumeRequest request, string operation, Func<OpenVolume, CancellationToken, Task<T>> body, CancellationToken cancellationToken)
    {
        try
        {
            return await RunAsync(request, operation, body, cancellationToken).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (cancellationToken.IsCancellationRequested)
        {
            throw new ReplicationException(ReplicationError.TimedOut, $"cannot {operation} volume {request.Handle} in time: the cluster does not answer", e);
        }
    }

    private async Task<T> RunAsync<T>(
        VolumeRequest request, string operation, Func<OpenVolume, CancellationToken, Task<T>> body, CancellationToken cancellationToken)
    {
        // Closing waits for whatever librbd is still doing with the image, so leaving this method means that it is done.
        await using var open = await resolver.OpenAsync(request.Handle, request.Credentials, cancellationToken).ConfigureAwait(false);
        try
        {
            return await body(open, cancellationToken).ConfigureAwait(false);
        }
        catch (CephException e)
        {
            resolver.DropIfCutOff(open.Volume.Connection, e);
            throw ReplicationException.From(e, $"{operation} {open.Volume}", wasFound: true);
        }
        catch (ObjectDisposedException e)
        {
            throw open.Refused(operation, ReplicationError.Unreachable, "the connection to the cluster was closed meanwhile; retry", e);
        }
    }

    private static async Task<MirrorImageInfo> RequireEnabledAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        return RequireEnabled(open, await open.Image.Mirroring.GetInfoAsync(cancellationToken).ConfigureAwait(false));
    }

    private static MirrorImageInfo RequireEnabled(OpenVolume open, MirrorImageInfo info) =>
        EnableRules.Mirrored(info.State, $"{open.Volume}") is { Refusal: not null } refused ? throw Refused(refused) : info;

    private static ReplicationException Passing(OpenVolume open, MirrorImageInfo info) => Refused(EnableRules.Passing(info.State, $"{open.Volume}"));

    // These texts name the volume themselves.
    private static ReplicationException Refused(RelocationDecision refused) => new(refused.Refusal!.Value, refused.Reason);

    private DateTimeOffset Now => time.GetUtcNow();
}
