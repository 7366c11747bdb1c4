using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Readiness of a secondary image, and copying it anew.</summary>
internal static class Resync
{
    /// <summary>Returns whether the image holds all that its peer had; with force starts a resync of an image that has parted.</summary>
    public static async Task<bool> RunAsync(OpenVolume open, bool force, SiteReports reports, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var chain = await MirrorChain.ReadAsync(open.Image.Mirroring, cancellationToken).ConfigureAwait(false);
        var decision = ResyncRules.Decide(chain, reports.Own, reports.Peer, open.Image.GetCreateTimestamp().ToDateTimeOffset(), force, now);
        switch (decision.Step)
        {
            case ResyncStep.Ready or ResyncStep.Follow:
                await RepairImageIdAsync(open, cancellationToken).ConfigureAwait(false);
                return decision.Step == ResyncStep.Ready;
            case ResyncStep.CopyAnew:
                await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
                await open.Image.Mirroring.ResyncAsync(cancellationToken).ConfigureAwait(false);
                throw open.Refused("report ready", ReplicationError.Unreachable, decision.Reason);
            default:
                throw open.Refused("resync", decision.Refusal, decision.Reason);
        }
    }

    // The copy has a new image id after a resync, and deleting a volume finds its image in the trash by the recorded one.
    private static async Task RepairImageIdAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var id = open.Image.GetId();
        var record = open.Volume.Record;
        // Without a request name the entry is not complete: the omap generator writes it.
        if (record.RequestName is null || record.ImageId == id)
            return;
        var write = new ObjectWrite().AssertOmap(JournalKeys.RequestName, record.RequestName).SetOmap(JournalKeys.ImageId, id);
        await open.Volume.Pool.WriteAsync(JournalKeys.VolumeObject(open.Volume.Handle.Uuid), write, cancellationToken).ConfigureAwait(false);
    }
}
