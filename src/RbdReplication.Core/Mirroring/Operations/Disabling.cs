using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Stopping to mirror an image, and removing its snapshot schedule.</summary>
/// <param name="force">Disable a secondary image too; its copy stays as an ordinary image.</param>
/// <param name="questions">Nothing is asked of the volume any more.</param>
/// <param name="time">Clock.</param>
/// <param name="consent">Given between the decision and the deed.</param>
internal sealed class Disabling(bool force, OpenQuestions questions, TimeProvider time, Consent consent)
{
    /// <summary>Disables mirroring where that is this site's to do.</summary>
    /// <exception cref="ReplicationException">It is a secondary that does not follow, without force, or a mirrored clone depends on it.</exception>
    public async Task RunAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var info = await open.Image.Mirroring.GetInfoAsync(cancellationToken).ConfigureAwait(false);
        if (info.State == MirrorImageState.Disabled)
        {
            if (!await FinishEnablingAsync(open, cancellationToken).ConfigureAwait(false))
            {
                questions.Settle(open.Volume.Handle);
                return;
            }
            info = await open.Image.Mirroring.GetInfoAsync(cancellationToken).ConfigureAwait(false);
        }
        var step = DisableRules.Decide(info, force);
        if (step == DisableStep.Look)
            step = DisableRules.Decide(await Sighting.ReadAsync(open, time, cancellationToken).ConfigureAwait(false));
        if (step == DisableStep.DisablePrimary)
            await RequireFollowerAsync(open, cancellationToken).ConfigureAwait(false);
        questions.Settle(open.Volume.Handle);
        switch (step)
        {
            case DisableStep.Finish:
                await open.LockAsync().ConfigureAwait(false);
                await consent.IsGivenAsync(Consent.Lasting, cancellationToken).ConfigureAwait(false);
                // The schedule was removed before.
                await DisableAsync(open, evenSecondary: true, cancellationToken).ConfigureAwait(false);
                return;
            case DisableStep.LeaveToDaemon:
                return;
            case DisableStep.Refuse:
                throw open.Refused("disable", ReplicationError.FailedPrecondition, DisableRules.NotFollowing);
            case DisableStep.AwaitState:
                throw open.Passing(info);
        }
        await CloneParent.RequireNoMirroredCloneAsync(open, cancellationToken).ConfigureAwait(false);
        await open.LockAsync().ConfigureAwait(false);
        await consent.IsGivenAsync(Consent.Lasting, cancellationToken).ConfigureAwait(false);
        if (await open.GetModeAsync(cancellationToken).ConfigureAwait(false) == MirrorImageMode.Snapshot)
        {
            await SnapshotSchedules.RemoveAsync(open.Volume.Connection, open.Image, cancellationToken).ConfigureAwait(false);
            await PointPlans.RemoveAsync(open, cancellationToken).ConfigureAwait(false);
        }
        await DisableAsync(open, force || !info.IsPrimary, cancellationToken).ConfigureAwait(false);
    }

    private async Task RequireFollowerAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var history = await ImageHistory.ReadAsync(open, cancellationToken).ConfigureAwait(false);
        if (!history.IsPromotedPeersDemotion)
            return;
        var (seen, question) = await questions.LookAsync(open, WantedRole.None, cancellationToken).ConfigureAwait(false);
        if (DisableRules.AwaitsFollower(seen, question.FirstAsked))
            throw open.Refused("disable", ReplicationError.Busy, $"{DisableRules.FollowsSoon}: {seen.Peer.Describe(seen.At)}");
    }

    private async Task<bool> FinishEnablingAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var chain = await MirrorChain.ReadAsync(open.Image.Mirroring, cancellationToken).ConfigureAwait(false);
        if (!CutOffRules.IsHalfEnabled(chain))
            return false;
        await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
        await consent.IsGivenAsync(Consent.Lasting, cancellationToken).ConfigureAwait(false);
        await open.Image.Mirroring.EnableAsync(MirrorImageMode.Snapshot, cancellationToken).ConfigureAwait(false);
        return true;
    }

    private static async Task DisableAsync(OpenVolume open, bool evenSecondary, CancellationToken cancellationToken)
    {
        await Resync.WithdrawAsync(open, cancellationToken).ConfigureAwait(false);
        await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await open.Image.Mirroring.DisableAsync(evenSecondary, cancellationToken).ConfigureAwait(false);
        }
        catch (CephException e) when (e.Errno == Errno.EINVAL)
        {
            await PoolMode.RequireImageByImageAsync(open, "disable", cancellationToken).ConfigureAwait(false);
            throw;
        }
        var left = await open.Image.Mirroring.GetInfoAsync(cancellationToken).ConfigureAwait(false);
        if (left.State != MirrorImageState.Disabled)
            throw open.Passing(left);
    }
}
