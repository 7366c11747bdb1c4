using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>A volume and the credentials to reach it, as every call names them.</summary>
/// <param name="Handle">Volume handle.</param>
/// <param name="Credentials">Ceph user and key.</param>
public sealed record VolumeRequest(VolumeHandle Handle, CephCredentials Credentials);

/// <summary>
/// What all operations on a volume have in common: its image is found and opened read-only, failures get their meaning, and one that
/// changes something holds the volume's gate until librbd has truly finished, and keeps other servers off before its first change.
/// </summary>
/// <param name="resolver">Finds images.</param>
/// <param name="gate">One changing operation per volume of this server.</param>
/// <param name="locks">One server per volume.</param>
public sealed class VolumeOperations(VolumeResolver resolver, VolumeGate gate, VolumeLocks locks)
{
    /// <summary>Runs an operation that may change something.</summary>
    /// <param name="request">The volume.</param>
    /// <param name="name">What is done, to follow "cannot": for example <c>promote</c>.</param>
    /// <param name="operation">What to do with the open volume.</param>
    /// <param name="cancellationToken">Ends the wait; the operation begins no further step and ends in its own time.</param>
    /// <exception cref="ReplicationException">Any failure.</exception>
    public Task<T> ChangeAsync<T>(VolumeRequest request, string name, Func<OpenVolume, CancellationToken, Task<T>> operation, CancellationToken cancellationToken) =>
        gate.RunAsync(request.Handle, name, token => RunWithLockAsync(request, name, operation, token), cancellationToken);

    /// <inheritdoc cref="ChangeAsync{T}"/>
    public Task ChangeAsync(VolumeRequest request, string name, Func<OpenVolume, CancellationToken, Task> operation, CancellationToken cancellationToken) =>
        ChangeAsync(request, name, async (open, token) =>
        {
            await operation(open, token).ConfigureAwait(false);
            return true;
        }, cancellationToken);

    /// <summary>Runs an operation that only reads.</summary>
    /// <inheritdoc cref="ChangeAsync{T}" path="/param"/>
    /// <exception cref="ReplicationException">Any failure.</exception>
    public async Task<T> ReadAsync<T>(VolumeRequest request, string name, Func<OpenVolume, CancellationToken, Task<T>> operation, CancellationToken cancellationToken)
    {
        try
        {
            return await RunAsync(request, name, operation, takeLock: null, cancellationToken).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (cancellationToken.IsCancellationRequested)
        {
            throw new ReplicationException(ReplicationError.TimedOut, $"cannot {name} volume {request.Handle} in time: the cluster does not answer", e);
        }
    }

    private async Task<T> RunWithLockAsync<T>(
        VolumeRequest request, string name, Func<OpenVolume, CancellationToken, Task<T>> operation, CancellationToken cancellationToken)
    {
        using var steps = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            return await RunAsync(
                request, name, operation, open => locks.TakeAsync(open.Volume.Pool, request.Handle, name, steps.Cancel, steps.Token), steps.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ReplicationException(
                ReplicationError.Busy, $"volume {request.Handle}: this server's lock ran out during {name}, so no further step was begun; retry", e);
        }
    }

    private async Task<T> RunAsync<T>(
        VolumeRequest request, string name, Func<OpenVolume, CancellationToken, Task<T>> operation, Func<OpenVolume, Task<IAsyncDisposable>>? takeLock,
        CancellationToken cancellationToken)
    {
        // Closing waits for whatever librbd is still doing with the image, so leaving this method means that it is done.
        await using var open = await resolver.OpenAsync(request.Handle, request.Credentials, cancellationToken).ConfigureAwait(false);
        if (takeLock is not null)
            open.LockWith(() => takeLock(open));
        try
        {
            return await operation(open, cancellationToken).ConfigureAwait(false);
        }
        catch (CephException e)
        {
            resolver.DropIfCutOff(open.Volume.Connection, e);
            throw ReplicationException.From(e, $"{name} {open.Volume}", wasFound: true);
        }
        // An operation may say itself which step has failed.
        catch (ReplicationException e) when (e.InnerException is CephException failure)
        {
            resolver.DropIfCutOff(open.Volume.Connection, failure);
            throw;
        }
        catch (ObjectDisposedException e)
        {
            throw open.Refused(name, ReplicationError.Unreachable, "the connection to the cluster was closed meanwhile; retry", e);
        }
    }
}
