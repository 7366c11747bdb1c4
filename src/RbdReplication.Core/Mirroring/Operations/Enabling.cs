using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Starting to mirror an image.</summary>
/// <param name="parameters">Mirror mode, and what to do with a clone.</param>
/// <param name="flattenReport">Gets the progress of flattening.</param>
/// <param name="consent">Given between the decision and the deed.</param>
internal sealed class Enabling(ReplicationParameters parameters, FlattenReport flattenReport, Consent consent)
{
    /// <summary>Whether it was found mirrored already, as the copy of the peer's.</summary>
    public bool IsSecondary { get; private set; }

    /// <summary>Enables mirroring where it is not.</summary>
    /// <exception cref="ReplicationException">It is mirrored in the other mode, or something has to be done first.</exception>
    public async Task RunAsync(OpenVolume open, CancellationToken cancellationToken)
    {
        var info = await open.Image.Mirroring.GetInfoAsync(cancellationToken).ConfigureAwait(false);
        switch (info.State)
        {
            case MirrorImageState.Enabled:
                open.Require("enable", EnableRules.Mode(await open.GetModeAsync(cancellationToken).ConfigureAwait(false), parameters.Mode));
                IsSecondary = !info.IsPrimary;
                return;
            case MirrorImageState.Disabled:
                var metadata = await open.Image.ListMetadataAsync("", cancellationToken).ConfigureAwait(false);
                open.Require("enable", EnableRules.NoDrill(metadata));
                open.Require("enable", EnableRules.Key(metadata));
                if (parameters.Flatten == FlattenMode.Never)
                    await PrepareAsync(open, cancellationToken).ConfigureAwait(false);
                await open.ForWritingAsync(cancellationToken).ConfigureAwait(false);
                await consent.IsGivenAsync(Consent.Lasting, cancellationToken).ConfigureAwait(false);
                // It copies all that a clone shares with its parent.
                if (parameters.Flatten == FlattenMode.Force)
                    await PrepareAsync(open, cancellationToken).ConfigureAwait(false);
                await EnableAsync(open, cancellationToken).ConfigureAwait(false);
                return;
            default:
                throw open.Passing(info);
        }
    }

    private Task PrepareAsync(OpenVolume open, CancellationToken cancellationToken) =>
        CloneParent.PrepareAsync(open, "enable", parameters.Flatten, flattenReport, cancellationToken);

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
