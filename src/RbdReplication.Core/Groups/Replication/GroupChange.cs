namespace RbdReplication.Core;

/// <summary>What is done to one member of a group.</summary>
/// <param name="open">The volume.</param>
/// <param name="consent">Given when all members have decided.</param>
/// <param name="cancellationToken">The operation begins no further step.</param>
internal delegate Task MemberOperation(OpenVolume open, Consent consent, CancellationToken cancellationToken);

/// <summary>One call that changes the replication of a group: all members decide, side by side, before anything is done to the first of them.</summary>
/// <param name="group">The group.</param>
/// <param name="scope">What the call has in hand.</param>
/// <param name="volumes">Runs what is done to single volumes, each with its own gate and lock.</param>
/// <param name="time">Clock.</param>
internal sealed class GroupChange(VolumeGroup group, GroupScope scope, VolumeOperations volumes, TimeProvider time)
{
    private readonly GroupStateObject _object = new(group.Pool, group.Entry.Uuid);
    private GroupState? _state;
    private Task? _locking;

    /// <summary>Looks at the state; before <see cref="RunAsync(GroupCall, string, CephCredentials, MemberOperation, Func{GroupState, GroupState}, Func{GroupState, GroupState}, Func{GroupFailover, Task}, CancellationToken)"/>.</summary>
    public async Task<GroupState?> LookAsync(CancellationToken cancellationToken) => _state = await _object.ReadAsync(cancellationToken).ConfigureAwait(false);

    /// <summary>Runs it. Where nothing is to be done it takes no lock and writes nothing.</summary>
    /// <param name="call">What is asked for.</param>
    /// <param name="name">What it is for one member, to follow "cannot".</param>
    /// <param name="credentials">Ceph user and key.</param>
    /// <param name="operation">What is done to each member.</param>
    /// <param name="begun">What the group's state is to be before the first deed, of what it is.</param>
    /// <param name="ended">What it is to be in the end; null: the group is not replicated any more.</param>
    /// <param name="together">What is done to all of them at once when each is done with, if there is such.</param>
    /// <param name="cancellationToken">No further step is begun; what was begun is waited for.</param>
    /// <exception cref="ReplicationException">Names the volume that it failed for; where one was refused nothing was done to any.</exception>
    public async Task RunAsync(
        GroupCall call, string name, CephCredentials credentials, MemberOperation operation, Func<GroupState?, GroupState?> begun, Func<GroupState?, GroupState?> ended,
        Func<GroupFailover, Task>? together, CancellationToken cancellationToken)
    {
        var members = group.RequireMembers($"{name} {group}");
        var consent = new CommonConsent(members.Count, () => RecordAsync(begun), time);
        var failures = await Task.WhenAll(members.Select(member => RunAsync(
            consent,
            part => volumes.ChangeMemberAsync(new VolumeRequest(member.Handle, credentials), name, LockAsync, (open, token) => operation(open, part, token), cancellationToken),
            call))).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        if (MemberFailures.Of(failures.OfType<ReplicationException>(), $"{group}", call) is { } failure)
            throw failure;
        if (together is not null && _state?.Failover is { } failover)
        {
            await LockAsync().ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            await together(failover).ConfigureAwait(false);
        }
        await RecordAsync(ended).ConfigureAwait(false);
    }

    private static async Task<ReplicationException?> RunAsync(CommonConsent consent, Func<Consent, Task> run, GroupCall call)
    {
        var part = consent.OfMember();
        try
        {
            await run(part).ConfigureAwait(false);
            part.IsNotNeeded();
            return null;
        }
        catch (ReplicationException e) when (e == consent.HeldBack || MemberFailures.IsDone(e.Error, call))
        {
            part.IsNotNeeded();
            return null;
        }
        catch (ReplicationException e)
        {
            part.IsRefused();
            return e;
        }
        catch
        {
            part.IsRefused();
            throw;
        }
    }

    private async Task RecordAsync(Func<GroupState?, GroupState?> wanted)
    {
        if (wanted(_state) == _state)
            return;
        await LockAsync().ConfigureAwait(false);
        if (wanted(_state) is not { } state)
            await _object.RemoveAsync().ConfigureAwait(false);
        else if (state != _state)
            await _object.SetAsync(state).ConfigureAwait(false);
        _state = wanted(_state);
    }

    // Members come here side by side.
    private Task LockAsync()
    {
        lock (_object)
            return _locking ??= LockOnceAsync();
    }

    private async Task LockOnceAsync()
    {
        await scope.LockAsync(group.Pool).ConfigureAwait(false);
        // Another server may have been here before the lock was ours.
        var entry = await group.Journal.ReadAsync(group.Entry.Uuid, CancellationToken.None).ConfigureAwait(false);
        if (entry is null || !entry.Members.SequenceEqual(group.Entry.Members))
            throw new ReplicationException(ReplicationError.Busy, $"{group}: its members have been changed just now; retry");
        _state = await _object.ReadAsync(CancellationToken.None).ConfigureAwait(false);
    }
}
