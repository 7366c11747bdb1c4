namespace RbdReplication.Core;

/// <summary>What a caller is told of a group.</summary>
/// <param name="Handle">Its handle.</param>
/// <param name="VolumeIds">The handles of its members, as the journal has them.</param>
public sealed record GroupDescription(VolumeHandle Handle, IReadOnlyList<string> VolumeIds)
{
    internal static GroupDescription Of(VolumeGroup group) => new(group.Handle, group.Entry.Members);
}

/// <summary>What a group and its members are called on the peer cluster.</summary>
/// <param name="Handle">The group's handle there.</param>
/// <param name="Volumes">Handle here to handle there, of every member.</param>
public sealed record GroupDestination(VolumeHandle Handle, IReadOnlyDictionary<string, string> Volumes);

/// <summary>
/// The calls for volume groups. All are idempotent: repeating a call, also one that was cut off anywhere, leads to the same end. What is decided is
/// in <see cref="GroupRules"/> and <see cref="MembershipPlan"/>.
/// </summary>
/// <param name="resolver">Finds groups.</param>
/// <param name="operations">Runs operations.</param>
/// <param name="membership">Changes the members.</param>
/// <param name="listing">Finds all groups.</param>
/// <param name="files">Cluster configuration.</param>
/// <param name="time">Clock.</param>
public sealed class VolumeGroups(
    GroupResolver resolver, GroupOperations operations, MembershipChange membership, GroupListing listing, ClusterFiles files, TimeProvider time)
{
    private const string Create = "create volume group";
    private const string Modify = "modify volume group";
    private const string Delete = "delete volume group";

    /// <summary>Makes a group of volumes, or goes on with one of this name; members that it has beside those stay.</summary>
    /// <param name="requestName">The name it is asked for by.</param>
    /// <param name="parameters">Where, and how.</param>
    /// <param name="members">Its members.</param>
    /// <param name="credentials">Ceph user and key.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ReplicationException">AlreadyExists: the group of this name is another one. FailedPrecondition: the volumes cannot be in one group.</exception>
    public async Task<GroupDescription> CreateAsync(
        string requestName, GroupParameters parameters, IReadOnlyList<GroupMember> members, CephCredentials credentials, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        var request = new MembershipRequest(members, RemovesOthers: false, parameters.Flatten, credentials);
        var (place, uuid) = await operations.ReadAsync(
            $"{Create} {requestName}",
            async (scope, token) =>
            {
                var found = await resolver.OpenAsync(parameters, credentials, token).ConfigureAwait(false);
                scope.Connection = found.Connection;
                return (Place: found, Uuid: await UuidAsync(found, requestName, token).ConfigureAwait(false));
            }, cancellationToken).ConfigureAwait(false);
        var handle = new VolumeHandle(parameters.ClusterId, place.Journal.Pool.Id, uuid);
        return await operations.ChangeAsync(
            handle, Create,
            async (scope, token) =>
            {
                scope.Connection = place.Connection;
                return await new GroupCreation(requestName, parameters.NamePrefix, membership, time).RunAsync(scope, place, handle, request, token).ConfigureAwait(false);
            }, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<string> UuidAsync(GroupPlace place, string requestName, CancellationToken cancellationToken)
    {
        var pool = place.Journal.Pool;
        var listed = await place.Journal.FindAsync(requestName, cancellationToken).ConfigureAwait(false);
        var decision = GroupRules.Name(listed, GroupUuid.For(pool, requestName), pool.Id, out var uuid);
        return decision.Refusal is { } refusal ? throw new ReplicationException(refusal, $"cannot {Create} {requestName}: {decision.Reason}") : uuid;
    }

    /// <summary>Makes volumes the whole membership of a group.</summary>
    /// <exception cref="ReplicationException">NotFound: there is no such group or volume. InvalidArgument: a volume cannot be in it.</exception>
    public Task<GroupDescription> ModifyAsync(
        VolumeRequest request, IReadOnlyList<GroupMember> members, FlattenMode flatten, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        var wanted = new MembershipRequest(members, RemovesOthers: true, flatten, request.Credentials);
        return operations.ChangeAsync(
            request.Handle, Modify,
            async (scope, token) =>
            {
                var group = await resolver.FindCompleteAsync(request, scope, token).ConfigureAwait(false);
                var plan = await MembershipChange.PlanAsync(group, wanted, token).ConfigureAwait(false);
                if (plan.IsEmpty)
                    return GroupDescription.Of(group);
                await membership.CheckAsync(group, wanted, plan, token).ConfigureAwait(false);
                await scope.LockAsync(group.Pool).ConfigureAwait(false);
                // Another server may have been here before the lock was ours.
                group = await resolver.FindCompleteAsync(request, scope, token).ConfigureAwait(false);
                plan = await MembershipChange.PlanAsync(group, wanted, token).ConfigureAwait(false);
                await membership.ApplyAsync(group, wanted, plan, token).ConfigureAwait(false);
                return GroupDescription.Of(await resolver.FindCompleteAsync(request, scope, token).ConfigureAwait(false));
            }, cancellationToken);
    }

    /// <summary>Removes a group that has no members; one that is gone is no failure.</summary>
    /// <exception cref="ReplicationException">FailedPrecondition: it still has members.</exception>
    public Task DeleteAsync(VolumeRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        return operations.ChangeAsync(
            request.Handle, Delete,
            async (scope, token) =>
            {
                if (await FindAsync(request, scope, token).ConfigureAwait(false) is not { } group)
                    return false;
                RequireDeletable(group);
                await scope.LockAsync(group.Pool).ConfigureAwait(false);
                if (await FindAsync(request, scope, token).ConfigureAwait(false) is not { } locked)
                    return false;
                RequireDeletable(locked);
                await GroupRemoval.RunAsync(locked, token).ConfigureAwait(false);
                return true;
            }, cancellationToken);
    }

    /// <summary>A group's members.</summary>
    /// <exception cref="ReplicationException">NotFound: there is no such group.</exception>
    public Task<GroupDescription> GetAsync(VolumeRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        return operations.ReadAsync(
            $"get volume group {request.Handle}",
            async (scope, token) => GroupDescription.Of(await resolver.FindCompleteAsync(request, scope, token).ConfigureAwait(false)), cancellationToken);
    }

    /// <summary>A page of all groups of this site that the user can see.</summary>
    /// <param name="maximum">Most groups of the page; 0 for all.</param>
    /// <param name="startAfter">The handle that the page before has ended with; empty for the first.</param>
    /// <param name="credentials">Ceph user and key.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task<GroupPage> ListAsync(int maximum, string startAfter, CephCredentials credentials, CancellationToken cancellationToken) =>
        operations.ReadAsync("list the volume groups", (_, token) => listing.RunAsync(maximum, startAfter, credentials, token), cancellationToken);

    /// <summary>
    /// What a group and every member of it are called on the peer cluster. Like a volume's that depends on the configuration alone, so it is known
    /// before replication is enabled.
    /// </summary>
    /// <exception cref="ReplicationException">NotFound: there is no such group. NotConfigured: that of one member cannot be told, and so of none.</exception>
    public Task<GroupDestination> GetDestinationAsync(VolumeRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        return operations.ReadAsync(
            $"find the destination of volume group {request.Handle}",
            async (scope, token) => GroupDestinations.Of(files.Read().Config, await resolver.FindCompleteAsync(request, scope, token).ConfigureAwait(false)), cancellationToken);
    }

    private static void RequireDeletable(VolumeGroup group)
    {
        if (GroupRules.Deletion(group.Entry.Members) is { Refusal: { } refusal } decision)
            throw new ReplicationException(refusal, $"cannot {Delete} {group.Handle}: {decision.Reason}");
    }

    private async Task<VolumeGroup?> FindAsync(VolumeRequest request, GroupScope scope, CancellationToken cancellationToken)
    {
        try
        {
            var group = await resolver.FindAsync(request, cancellationToken).ConfigureAwait(false);
            scope.Connection = group.Connection;
            return group;
        }
        catch (ReplicationException e) when (e.Error == ReplicationError.NotFound)
        {
            return null;
        }
    }
}
