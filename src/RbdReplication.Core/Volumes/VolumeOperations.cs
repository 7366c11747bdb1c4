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
/// <param name="cutOffs">Gets told of mirror daemons that a promotion had to cut off.</param>
/// <param name="changes">Gets told which volumes are changed; null where nothing is read for longer than one operation.</param>
public sealed class VolumeOperations(VolumeResolver resolver, VolumeGate gate, VolumeLocks locks, CutOffReport cutOffs, RecentChanges? changes = null)
{
    /// <summary>Runs an operation that may change something.</summary>
    /// <param name="request">The volume.</param>
    /// <param name="name">What is done, to follow "cannot": for example <c>promote</c>.</param>
    /// <param name="operation">What to do with the open volume.</param>
    /// <param name="cancellationToken">Ends the wait; the operation begins no further step and ends in its own time.</param>
    /// <exception cref="ReplicationException">Any failure.</exception>
    public Task ChangeAsync(VolumeRequest request, string name, Func<OpenVolume, CancellationToken, Task> operation, CancellationToken cancellationToken) =>
        ChangeUnlessAsync(request, name, static (_, _) => Task.FromResult(false), operation, cancellationToken);

    /// <summary>The same, unless <paramref name="isNeedless"/>, asked of the volume before its image is open, says that there is nothing to do.</summary>
    /// <inheritdoc cref="ChangeAsync"/>
    internal Task ChangeUnlessAsync(
        VolumeRequest request, string name, Func<Volume, CancellationToken, Task<bool>> isNeedless, Func<OpenVolume, CancellationToken, Task> operation, CancellationToken cancellationToken) =>
        gate.RunAsync(
            request.Handle, name, token => ChangeAloneAsync(request, name, () => Task.CompletedTask, volume => isNeedless(volume, token), operation, token), cancellationToken);

    /// <summary>Runs what the change of a group is for one of its members.</summary>
    /// <param name="request">The volume.</param>
    /// <param name="name">What is done, to follow "cannot".</param>
    /// <param name="lockGroup">Keeps other servers off the group; done before the volume is locked.</param>
    /// <param name="operation">What to do with the open volume.</param>
    /// <param name="cancellationToken">The operation begins no further step; it is waited for to its end.</param>
    /// <exception cref="ReplicationException">Any failure.</exception>
    internal Task ChangeMemberAsync(
        VolumeRequest request, string name, Func<Task> lockGroup, Func<OpenVolume, CancellationToken, Task> operation, CancellationToken cancellationToken) =>
        gate.RunToItsEndAsync(request.Handle, name, token => ChangeAloneAsync(request, name, lockGroup, static _ => Task.FromResult(false), operation, token), cancellationToken);

    private async Task ChangeAloneAsync(
        VolumeRequest request, string name, Func<Task> lockGroup, Func<Volume, Task<bool>> isNeedless, Func<OpenVolume, CancellationToken, Task> operation,
        CancellationToken cancellationToken)
    {
        using var change = changes?.Begin(request.Handle.Uuid);
        using var steps = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        // Closing waits for whatever librbd is still doing with the image, so leaving this method means that it is done.
        await using var open = await resolver.OpenUnlessAsync(request.Handle, request.Credentials, isNeedless, cancellationToken).ConfigureAwait(false);
        if (open is null)
            return;
        open.CutOffs = cutOffs;
        open.LockWith(async () =>
        {
            await lockGroup().ConfigureAwait(false);
            gate.MakeWay(request.Handle);
            return await locks.TakeAsync(open.Volume.Pool, request.Handle, name, steps.Cancel, steps.Token).ConfigureAwait(false);
        });
        try
        {
            await operation(open, steps.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ReplicationException(
                ReplicationError.Busy, $"volume {request.Handle}: this server's lock ran out during {name}, so no further step was begun; retry", e);
        }
        catch (Exception e) when (Meaning(e, name, open) is { } meaning)
        {
            throw meaning;
        }
    }

    /// <summary>
    /// Runs an operation that changes nothing of what the volume is or holds, beside those that do: it gives way to them, and to the end of the
    /// server.
    /// </summary>
    /// <param name="request">The volume.</param>
    /// <param name="name">What is done, for example <c>reclaim space</c>.</param>
    /// <param name="operation">What to do with the open volume; the token tells it to give way.</param>
    /// <param name="result">Gets how it has ended, whether or not the caller still waits.</param>
    /// <param name="cancellationToken">Ends the wait; the operation goes on.</param>
    /// <exception cref="ReplicationException">Any failure.</exception>
    public Task BesideAsync<T>(
        VolumeRequest request, string name, Func<OpenVolume, CancellationToken, Task<T>> operation, TaskCompletionSource<T> result, CancellationToken cancellationToken) =>
        gate.RunBesideAsync(
            request.Handle, name,
            async giveWay =>
            {
                try
                {
                    result.TrySetResult(await GivingWayAsync(request, name, operation, giveWay).ConfigureAwait(false));
                }
                catch (Exception e)
                {
                    result.TrySetException(e);
                    throw;
                }
            },
            cancellationToken);

    private async Task<T> GivingWayAsync<T>(VolumeRequest request, string name, Func<OpenVolume, CancellationToken, Task<T>> operation, CancellationToken giveWay)
    {
        try
        {
            return await RunAsync(request, $"{name} of", operation, giveWay).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (giveWay.IsCancellationRequested)
        {
            throw new ReplicationException(ReplicationError.Busy, $"volume {request.Handle}: {name} has given way to a change of the volume, or to the end of this server; retry", e);
        }
    }

    /// <summary>Runs an operation that only reads.</summary>
    /// <inheritdoc cref="ChangeAsync" path="/param"/>
    /// <exception cref="ReplicationException">Any failure.</exception>
    public Task<T> ReadAsync<T>(VolumeRequest request, string name, Func<OpenVolume, CancellationToken, Task<T>> operation, CancellationToken cancellationToken) =>
        InTimeAsync(request, name, RunAsync(request, name, operation, cancellationToken), cancellationToken);

    /// <summary>The same for one that need not open the image of a volume of which enough is known.</summary>
    /// <param name="request">The volume.</param>
    /// <param name="name">What is done, to follow "cannot".</param>
    /// <param name="look">What is known of the volume at a place; null: not enough.</param>
    /// <param name="answer">What to do with that.</param>
    /// <param name="operation">What to do with the open volume.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ReplicationException">Any failure.</exception>
    internal Task<T> ReadAsync<TKnown, T>(
        VolumeRequest request, string name, Func<LocalCluster, RadosPool, Task<TKnown?>> look, Func<TKnown, T> answer,
        Func<OpenVolume, CancellationToken, Task<T>> operation, CancellationToken cancellationToken) where TKnown : class
    {
        async Task<T> LookAsync()
        {
            var (known, open) = await resolver.LookAsync(request.Handle, request.Credentials, look, cancellationToken).ConfigureAwait(false);
            return known is not null ? answer(known) : await RunAsync(open!, name, operation, cancellationToken).ConfigureAwait(false);
        }

        return InTimeAsync(request, name, LookAsync(), cancellationToken);
    }

    private static async Task<T> InTimeAsync<T>(VolumeRequest request, string name, Task<T> running, CancellationToken cancellationToken)
    {
        try
        {
            return await running.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (cancellationToken.IsCancellationRequested)
        {
            throw new ReplicationException(ReplicationError.TimedOut, $"cannot {name} volume {request.Handle} in time: the cluster does not answer", e);
        }
    }

    private async Task<T> RunAsync<T>(VolumeRequest request, string name, Func<OpenVolume, CancellationToken, Task<T>> operation, CancellationToken cancellationToken) =>
        await RunAsync(
            await resolver.OpenAsync(request.Handle, request.Credentials, cancellationToken).ConfigureAwait(false), name, operation, cancellationToken).ConfigureAwait(false);

    // Closes the volume.
    private async Task<T> RunAsync<T>(OpenVolume open, string name, Func<OpenVolume, CancellationToken, Task<T>> operation, CancellationToken cancellationToken)
    {
        await using (open.ConfigureAwait(false))
        {
            try
            {
                return await operation(open, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (Meaning(e, name, open) is { } meaning)
            {
                throw meaning;
            }
        }
    }

    // What a failure means for the caller; null where it means what it is. A connection that is of no more use is dropped.
    private ReplicationException? Meaning(Exception failure, string name, OpenVolume open)
    {
        // An operation may say itself which step has failed.
        if ((failure as CephException ?? (failure as ReplicationException)?.InnerException as CephException) is { } inCeph)
            resolver.DropIfCutOff(open.Volume.Connection, inCeph);
        return failure switch
        {
            CephException e => ReplicationException.From(e, $"{name} {open.Volume}", wasFound: true),
            ObjectDisposedException e => open.Refused(name, ReplicationError.Unavailable, "the connection to the cluster was closed meanwhile; retry", e),
            _ => null,
        };
    }
}
