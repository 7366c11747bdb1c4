using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Starting to mirror an image.</summary>
/// <param name="parameters">Mirror mode, and what to do with a clone.</param>
/// <param name="flattenReport">Gets the progress of flattening.</param>
internal sealed class Enabling(ReplicationParameters parameters, FlattenReport flattenReport)
{
    /// <summary>Enables mirroring where it is not.</summary>
    /// <exception cref="ReplicationException">It is mirrored in the other mode, or something has to be done first.</exception>
    public async Task RunAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var info = await open.Image.Mirroring.GetInfoAsync(cancellationToken).ConfigureAwait(false);
        switch (info.State)
        {
            case MirrorImageState.Enabled:
                open.Require("enable", EnableRules.Mode(await open.GetModeAsync(cancellationToken).ConfigureAwait(false), parameters.Mode));
                return;
            case MirrorImageState.Disabled:
                open.Require("enable", EnableRules.Key(await open.Image.ListMetadataAsync("", cancellationToken).ConfigureAwait(false)));
                await CloneParent.PrepareAsync(open, "enable", parameters.Flatten, flattenReport, cancellationToken).ConfigureAwait(false);
                await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
                await EnableAsync(open, cancellationToken).ConfigureAwait(false);
                return;
            default:
                throw open.Passing(info);
        }
    }

    private async Task EnableAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        try
        {
            await open.Image.Mirroring.EnableAsync(parameters.Mode, cancellationToken).ConfigureAwait(false);
        }
        catch (CephException e) when (e.Errno == Errno.EINVAL)
        {
            await PoolMode.RequireImageByImageAsync(open, "enable", cancellationToken).ConfigureAwait(false);
            throw;
        }
    }
}
