using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// Writes the journal's entries of groups that were made at the other site, as ceph-csi's generator does: the same uuid, and the members by the
/// handles that the object of the API server has. The RBD group is left to the calls for the group.
/// </summary>
/// <param name="operations">Keeps other servers off while a group is written.</param>
/// <param name="time">Clock.</param>
public sealed class GroupRegeneration(GroupOperations operations, TimeProvider time)
{
    private const string Name = "regenerate volume group";

    // Each reads the entries of its members side by side, up to a hundred.
    private const int LooksAtOnce = 8;

    /// <summary>Decides what has to be done for each; the answers are in the order of the reservations.</summary>
    /// <exception cref="ReplicationException">The pool cannot be read; nothing is known then.</exception>
    public async Task<IReadOnlyList<GroupPlan>> PlanAsync(OpenJournal journal, IReadOnlyList<GroupReservation> wanted, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(journal);
        ArgumentNullException.ThrowIfNull(wanted);
        try
        {
            var sightings = await Task.WhenAll(wanted.Select(group => SeeAsync(journal.Groups, group, cancellationToken))).ConfigureAwait(false);
            GroupPlan[] plans = [.. wanted.Zip(sightings, (group, seen) => GroupPlan.For(group, seen, time.GetUtcNow()))];
            foreach (var some in Enumerable.Range(0, plans.Length).Where(i => plans[i] is GroupPlan.Look).Chunk(LooksAtOnce))
            {
                await Task.WhenAll(some.Select(async i =>
                    plans[i] = await LookAsync(journal.Groups, wanted[i], sightings[i], cancellationToken).ConfigureAwait(false))).ConfigureAwait(false);
            }
            return plans;
        }
        catch (CephException e)
        {
            throw journal.Failure(e, "read the volume groups");
        }
    }

    /// <summary>Plans once more, now that nobody else of ours writes, and does it. Repeating it leads to the same end.</summary>
    /// <param name="journal">Where.</param>
    /// <param name="wanted">The group.</param>
    /// <param name="beforeWrite">Called before it is written; throws when no more may be written.</param>
    /// <returns>The last plan; what it says to write has been written.</returns>
    /// <exception cref="ReplicationException">Busy: somebody else changes it.</exception>
    public Task<GroupPlan> WriteAsync(OpenJournal journal, GroupReservation wanted, Action beforeWrite)
    {
        ArgumentNullException.ThrowIfNull(journal);
        ArgumentNullException.ThrowIfNull(wanted);
        ArgumentNullException.ThrowIfNull(beforeWrite);
        var groups = journal.Groups;
        // Not cut short: the write in hand is waited for.
        return operations.ChangeAsync(
            new VolumeHandle(journal.ClusterId, groups.Pool.Id, wanted.Uuid), Name,
            async (scope, token) =>
            {
                scope.Connection = journal.Connection;
                await scope.LockAsync(groups.Pool).ConfigureAwait(false);
                var seen = await SeeAsync(groups, wanted, token).ConfigureAwait(false);
                var plan = GroupPlan.For(wanted, seen, time.GetUtcNow());
                if (plan is GroupPlan.Look)
                    plan = await LookAsync(groups, wanted, seen, token).ConfigureAwait(false);
                if (plan is not GroupPlan.Write)
                    return plan;
                token.ThrowIfCancellationRequested();
                beforeWrite();
                await groups.ReserveAsync(wanted, seen.Entry, time.GetUtcNow()).ConfigureAwait(false);
                return plan;
            }, CancellationToken.None);
    }

    private static async Task<GroupSighting> SeeAsync(GroupJournal groups, GroupReservation wanted, CancellationToken cancellationToken)
    {
        var listed = groups.FindAsync(wanted.RequestName, cancellationToken);
        var entry = groups.ReadAsync(wanted.Uuid, cancellationToken);
        await Task.WhenAll(listed, entry).ConfigureAwait(false);
        return new(await listed.ConfigureAwait(false), groups.Pool.Id, await entry.ConfigureAwait(false), Images: null);
    }

    private async Task<GroupPlan> LookAsync(GroupJournal groups, GroupReservation wanted, GroupSighting seen, CancellationToken cancellationToken)
    {
        var names = await Task.WhenAll(wanted.Members.Select(member => ImageNameAsync(groups.Pool, member.Handle.Uuid, cancellationToken))).ConfigureAwait(false);
        var ids = names.Length == 0 ? new Dictionary<string, string>() : await ImageDirectory.ReadIdsAsync(groups.Pool, names, cancellationToken).ConfigureAwait(false);
        var rbdGroup = await GroupDirectory.ReadImagesAsync(groups.Pool, seen.Entry?.RecordedGroupName ?? wanted.GroupName, cancellationToken).ConfigureAwait(false);
        var images = new GroupImages(rbdGroup is not null, [.. names.Where(name => !ids.ContainsKey(name))]);
        return GroupPlan.For(wanted, seen with { Images = images }, time.GetUtcNow());
    }

    private static async Task<string> ImageNameAsync(RadosPool pool, string uuid, CancellationToken cancellationToken) =>
        (await JournalEntry.ReadAsync(pool, uuid, cancellationToken).ConfigureAwait(false)).ImageNameOr(uuid);
}
