using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// What all operations on a volume group have in common: failures get their meaning, and one that changes something holds the group's gate until
/// librbd has truly finished, and keeps other servers off before its first change. Gate and lock are those of volumes; a group's uuid is no
/// volume's.
/// </summary>
/// <param name="gate">One changing operation per group of this server.</param>
/// <param name="locks">One server per group.</param>
/// <param name="connections">Connections to clusters.</param>
public sealed class GroupOperations(VolumeGate gate, VolumeLocks locks, ClusterConnections connections)
{
    /// <summary>Runs an operation that may change something.</summary>
    /// <param name="group">The group.</param>
    /// <param name="name">What is done, to follow "cannot": for example <c>modify volume group</c>.</param>
    /// <param name="operation">What to do; it says by its scope which connection it uses, and takes the lock before its first change.</param>
    /// <param name="cancellationToken">Ends the wait; the operation begins no further step and ends in its own time.</param>
    /// <exception cref="ReplicationException">Any failure.</exception>
    internal async Task<T> ChangeAsync<T>(VolumeHandle group, string name, Func<GroupScope, CancellationToken, Task<T>> operation, CancellationToken cancellationToken)
    {
        var result = default(T)!;
        await gate.RunAsync(
            group, name, async token => result = await ChangeAloneAsync(group, name, operation, token).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        return result;
    }

    private async Task<T> ChangeAloneAsync<T>(VolumeHandle group, string name, Func<GroupScope, CancellationToken, Task<T>> operation, CancellationToken cancellationToken)
    {
        using var steps = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await using var scope = new GroupScope(pool => locks.TakeAsync(pool, group, name, steps.Cancel, steps.Token));
        try
        {
            return await operation(scope, steps.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ReplicationException(
                ReplicationError.Busy, $"volume group {group}: this server's lock ran out during {name}, so no further step was begun; retry", e);
        }
        catch (Exception e) when (Meaning(e, $"{name} {group}", scope) is { } meaning)
        {
            throw meaning;
        }
    }

    /// <summary>Runs an operation that only reads.</summary>
    /// <param name="doing">What is done, to follow "cannot".</param>
    /// <param name="operation">What to do; it says by its scope which connection it uses.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ReplicationException">Any failure.</exception>
    internal async Task<T> ReadAsync<T>(string doing, Func<GroupScope, CancellationToken, Task<T>> operation, CancellationToken cancellationToken)
    {
        await using var scope = new GroupScope(_ => throw new InvalidOperationException("only a call that says what it changes may change something"));
        try
        {
            return await operation(scope, cancellationToken).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (cancellationToken.IsCancellationRequested)
        {
            throw new ReplicationException(ReplicationError.TimedOut, $"cannot {doing} in time: the cluster does not answer", e);
        }
        catch (Exception e) when (Meaning(e, doing, scope) is { } meaning)
        {
            throw meaning;
        }
    }

    // ceph-csi knows no lock: what it has changed meanwhile is seen by the next call.
    private ReplicationException? Meaning(Exception failure, string doing, GroupScope scope)
    {
        if (scope.Connection is { } connection && (failure as CephException ?? failure.InnerException as CephException) is { } inCeph)
            connections.DropIfCutOff(connection, inCeph);
        return failure switch
        {
            CephException e when CsiJournal.IsOvertaken(e) => new(ReplicationError.Busy, $"cannot {doing}: somebody else has changed it just now [{e.Function}: {e.Errno}]; retry", e),
            CephException e => ReplicationException.From(e, doing),
            ObjectDisposedException e => new(ReplicationError.Unavailable, $"cannot {doing}: the connection to the cluster was closed meanwhile; retry", e),
            _ => null,
        };
    }
}

/// <summary>What an operation on a group has in hand.</summary>
/// <param name="takeLock">Keeps other servers off.</param>
internal sealed class GroupScope(Func<RadosPool, Task<IAsyncDisposable>> takeLock) : IAsyncDisposable
{
    private IAsyncDisposable? _lock;

    /// <summary>The connection that it uses, once that is known.</summary>
    public ClusterConnection? Connection { get; set; }

    /// <summary>Keeps other servers off the group until the operation has ended, unless that is so already.</summary>
    /// <exception cref="ReplicationException">Busy: one of them changes it.</exception>
    public async Task LockAsync(RadosPool pool) => _lock ??= await takeLock(pool).ConfigureAwait(false);

    /// <summary>Lets other servers on.</summary>
    public ValueTask DisposeAsync() => _lock?.DisposeAsync() ?? ValueTask.CompletedTask;
}
