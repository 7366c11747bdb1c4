using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Readiness of a secondary image, and copying it again.</summary>
/// <param name="force">Throw an image away that has parted from its peer, and copy it again.</param>
/// <param name="questions">Since when volumes are wanted as secondary.</param>
/// <param name="consent">Given between the decision and the deed.</param>
internal sealed class Resync(bool force, OpenQuestions questions, Consent consent)
{
    /// <summary>Whether the image holds all that its peer had.</summary>
    public bool IsReady { get; private set; }

    /// <summary>Finds out whether it is ready; with force starts a resync of an image that has parted.</summary>
    /// <exception cref="ReplicationException">It is primary, or neither ready nor being copied.</exception>
    public async Task RunAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var info = await open.RequireMirroredAsync(cancellationToken).ConfigureAwait(false);
        open.Require("resync", ResyncRules.Secondary(info.IsPrimary));
        while (true)
        {
            var (seen, question) = await questions.LookAsync(open, WantedRole.Secondary, cancellationToken).ConfigureAwait(false);
            var decision = ResyncRules.Decide(seen, open.Image.GetCreateTimestamp().ToDateTimeOffset(), question.FirstAsked, force);
            if (decision.TakesRequestBack)
                await WithdrawAsync(open, cancellationToken).ConfigureAwait(false);
            switch (decision.Step)
            {
                case ResyncStep.Ready or ResyncStep.Follow:
                    consent.IsNotNeeded();
                    await RepairImageIdAsync(open, cancellationToken).ConfigureAwait(false);
                    IsReady = decision.Step == ResyncStep.Ready;
                    return;
                case ResyncStep.CopyAnew when open.IsWritable && await consent.IsGivenAsync(seen.At, cancellationToken).ConfigureAwait(false):
                    await open.Image.Mirroring.ResyncAsync(cancellationToken).ConfigureAwait(false);
                    throw open.Refused("report ready", ReplicationError.Unavailable, decision.Reason);
                case ResyncStep.CopyAnew:
                    await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
                    continue;
                default:
                    throw open.Refused("resync", decision.Refusal, decision.Reason);
            }
        }
    }

    /// <summary>Takes back a request to copy the image again that nobody has carried out, whoever left it.</summary>
    public static async Task WithdrawAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var mode = await open.GetModeAsync(cancellationToken).ConfigureAwait(false);
        if (await ResyncRequest.FindAsync(open.Image, mode, cancellationToken).ConfigureAwait(false) is not { } request)
            return;
        await open.LockAsync().ConfigureAwait(false);
        await request.WithdrawAsync(cancellationToken).ConfigureAwait(false);
    }

    // The copy has a new image id after a resync, and deleting a volume finds its image in the trash by the recorded one.
    private static async Task RepairImageIdAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var id = open.Image.GetId();
        var record = open.Volume.Entry;
        // Without a request name the entry is not complete: the omap generator writes it.
        if (record.RequestName is null || record.ImageId == id)
            return;
        await open.LockAsync().ConfigureAwait(false);
        var write = new ObjectWrite().AssertOmap(JournalKeys.RequestName, record.RequestName).SetOmap(JournalKeys.ImageId, id);
        await open.Volume.Pool.WriteAsync(JournalKeys.VolumeObject(open.Volume.Handle.Uuid), write, cancellationToken).ConfigureAwait(false);
    }
}
