using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>The schedules of the groups of a pool that are replicated from here: the manager has none for their members.</summary>
internal static class GroupSchedules
{
    private const int ReadsAtATime = 64;

    /// <summary>Image id to schedules, for the members of such groups. One read for a pool without groups, three more for each group.</summary>
    public static async Task<IReadOnlyDictionary<string, IReadOnlyList<ReplicationSchedule>>> ReadAsync(RadosPool pool, CancellationToken cancellationToken)
    {
        Dictionary<string, IReadOnlyList<ReplicationSchedule>> found = new(StringComparer.Ordinal);
        foreach (var names in (await GroupDirectory.ListNamesAsync(pool, cancellationToken).ConfigureAwait(false)).Chunk(ReadsAtATime))
        {
            foreach (var (images, schedules) in await Task.WhenAll(names.Select(name => ReadAsync(pool, name, cancellationToken))).ConfigureAwait(false))
            {
                foreach (var image in images)
                    found[image] = schedules;
            }
        }
        return found;
    }

    private static async Task<(IEnumerable<string> Images, IReadOnlyList<ReplicationSchedule> Schedules)> ReadAsync(RadosPool pool, string name, CancellationToken cancellationToken)
    {
        if (ReplicatedGroups.UuidOf(name) is not { } uuid
            || await new GroupStateObject(pool, uuid).ReadAsync(cancellationToken).ConfigureAwait(false) is not { Role: WantedRole.Primary } state
            || await GroupDirectory.ReadImagesAsync(pool, name, cancellationToken).ConfigureAwait(false) is not { } images)
            return ([], []);
        return (images.Keys, state.Schedule is { } schedule ? [schedule] : []);
    }
}
