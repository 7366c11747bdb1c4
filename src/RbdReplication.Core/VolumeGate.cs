using System.Collections.Concurrent;

namespace RbdReplication.Core;

/// <summary>
/// Lets one changing operation at a time onto a volume, and keeps track of those that outlive the call that started them:
/// librbd cannot cancel, so a volume stays taken until its operation has truly ended.
/// </summary>
public sealed class VolumeGate(TimeProvider time)
{
    private readonly ConcurrentDictionary<string, PendingOperation> _pending = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>The operations that run now.</summary>
    public ICollection<PendingOperation> Pending => _pending.Values;

    /// <summary>
    /// Runs <paramref name="body"/> as the only changing operation on the volume. When <paramref name="cancellationToken"/>
    /// ends the wait, the body goes on in the background and the volume stays taken until it has ended; the body is told
    /// by the token and starts no further step.
    /// </summary>
    /// <exception cref="ReplicationException">Busy: another operation is pending. TimedOut: the wait was cut short.</exception>
    public async Task<T> RunAsync<T>(VolumeHandle volume, string operation, Func<CancellationToken, Task<T>> body, CancellationToken cancellationToken)
    {
        // The uuid alone: both sites' handles of a volume name the same image.
        var mine = new PendingOperation(volume, operation, time.GetUtcNow());
        var holder = _pending.GetOrAdd(volume.Uuid, mine);
        if (!ReferenceEquals(holder, mine))
        {
            throw new ReplicationException(
                ReplicationError.Busy,
                $"volume {volume}: {holder.Operation} has been pending for {Seconds(holder)}; retry when it has ended");
        }
        var running = HoldAsync(volume, mine, body, cancellationToken);
        try
        {
            return await running.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (cancellationToken.IsCancellationRequested)
        {
            throw new ReplicationException(
                ReplicationError.TimedOut,
                $"volume {volume}: {operation} did not end within {Seconds(mine)}; until it ends the volume is reported busy", e);
        }
    }

    private async Task<T> HoldAsync<T>(
        VolumeHandle volume, PendingOperation mine, Func<CancellationToken, Task<T>> body, CancellationToken cancellationToken)
    {
        try
        {
            return await body(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _pending.TryRemove(new(volume.Uuid, mine));
        }
    }

    private string Seconds(PendingOperation operation) => $"{(time.GetUtcNow() - operation.StartedAt).TotalSeconds:0.0} s";
}

/// <summary>An operation that is under way.</summary>
/// <param name="Volume">The volume.</param>
/// <param name="Operation">What is done, for example <c>promote</c>.</param>
/// <param name="StartedAt">Since when.</param>
public sealed record PendingOperation(VolumeHandle Volume, string Operation, DateTimeOffset StartedAt);
