using System.Diagnostics;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// A volume with its image open: read-only until something is to be changed. Opening for writing sets a watch on the image, a
/// write to the disk, so calls that find nothing to do take half the time without it.
/// </summary>
/// <param name="volume">The volume.</param>
/// <param name="image">Its image, opened read-only; closed with this object.</param>
public sealed class OpenVolume(Volume volume, RbdImage image) : IAsyncDisposable
{
    private static readonly TimeSpan ViewTime = TimeSpan.FromSeconds(1.5);

    private Func<Task<IAsyncDisposable>>? _takeLock;
    private IAsyncDisposable? _lock;
    private long _openedAt;

    /// <summary>The volume.</summary>
    public Volume Volume => volume;

    /// <summary>
    /// Its image. While it is open read-only it is seen as it was when it was opened; for writing, changes by others show.
    /// </summary>
    public RbdImage Image { get; private set; } = image;

    /// <summary>Whether it is open for writing.</summary>
    public bool IsWritable { get; private set; }

    /// <summary>Gets told of mirror daemons that a promotion of it had to cut off.</summary>
    internal CutOffReport? CutOffs { get; set; }

    /// <summary>Says how the volume is kept from other servers when something is to be changed.</summary>
    internal void LockWith(Func<Task<IAsyncDisposable>> takeLock) => _takeLock = takeLock;

    /// <summary>Keeps other servers off the volume until it is closed, unless that is so already.</summary>
    /// <exception cref="ReplicationException">Busy: one of them changes it.</exception>
    public async Task LockAsync()
    {
        if (_takeLock is null)
            throw new InvalidOperationException("only a call that says what it changes may change something");
        _lock ??= await _takeLock().ConfigureAwait(false);
    }

    /// <summary>Locks the volume and opens the image for writing, unless it is already.</summary>
    /// <exception cref="ReplicationException">Busy: another server changes it.</exception>
    /// <exception cref="CephException">ENOENT: the image is gone or was created again meanwhile.</exception>
    public async Task ForWritingAsync(CancellationToken cancellationToken)
    {
        if (IsWritable)
            return;
        await LockAsync().ConfigureAwait(false);
        await ReopenAsync(cancellationToken).ConfigureAwait(false);
        IsWritable = true;
    }

    /// <summary>
    /// Opens the image once more where that was a while ago, for those that wait for what others change: librbd learns of that by
    /// notifications, which can be lost.
    /// </summary>
    public Task RenewAsync(CancellationToken cancellationToken) =>
        !IsWritable ? ForWritingAsync(cancellationToken)
        : Stopwatch.GetElapsedTime(_openedAt) < ViewTime ? Task.CompletedTask
        : ReopenAsync(cancellationToken);

    /// <summary>Opens the image for writing once more, as after a change that librbd was not told of.</summary>
    internal async Task ReopenAsync(CancellationToken cancellationToken)
    {
        var before = Image;
        Image = await before.OpenForWritingAsync(cancellationToken).ConfigureAwait(false);
        _openedAt = Stopwatch.GetTimestamp();
        await before.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>How the image, which has to be mirrored, is mirrored.</summary>
    public async Task<MirrorImageMode> GetModeAsync(CancellationToken cancellationToken)
    {
        // Mirroring by journal needs the feature, which comes with the open image; asking librbd takes a round trip.
        var features = await Image.GetFeaturesAsync(cancellationToken).ConfigureAwait(false);
        return features.HasFlag(ImageFeatures.Journaling)
            ? await Image.Mirroring.GetModeAsync(cancellationToken).ConfigureAwait(false)
            : MirrorImageMode.Snapshot;
    }

    /// <summary>What to throw where an operation cannot be done; names the volume.</summary>
    public ReplicationException Refused(string operation, ReplicationError error, string reason, Exception? innerException = null) =>
        new(error, $"cannot {operation} {Volume}: {reason}", innerException);

    /// <summary>Goes on where the rules allow it.</summary>
    /// <exception cref="ReplicationException">They do not; names the volume.</exception>
    internal void Require(string operation, RelocationDecision decision)
    {
        if (decision.Refusal is { } refusal)
            throw Refused(operation, refusal, decision.Reason);
    }

    /// <summary>Closes the image, which waits for what librbd is still doing with it, and then lets other servers on.</summary>
    public async ValueTask DisposeAsync()
    {
        await Image.DisposeAsync().ConfigureAwait(false);
        if (_lock is not null)
            await _lock.DisposeAsync().ConfigureAwait(false);
    }
}
