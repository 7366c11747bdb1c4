using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>A group of a pool that is replicated.</summary>
/// <param name="Uuid">The group's uuid.</param>
/// <param name="RbdGroupName">Name of its RBD group.</param>
/// <param name="State">What this site knows of its replication.</param>
/// <param name="ImageIds">The images of its RBD group.</param>
internal sealed record ListedGroup(string Uuid, string RbdGroupName, GroupState State, IReadOnlyCollection<string> ImageIds)
{
    private const int ReadsAtATime = 64;

    /// <summary>All such groups. One read for a pool without groups, three more for each group.</summary>
    public static async Task<IReadOnlyList<ListedGroup>> ReadAllAsync(RadosPool pool, CancellationToken cancellationToken)
    {
        List<ListedGroup> found = [];
        foreach (var names in (await GroupDirectory.ListNamesAsync(pool, cancellationToken).ConfigureAwait(false)).Chunk(ReadsAtATime))
            found.AddRange((await Task.WhenAll(names.Select(name => ReadAsync(pool, name, cancellationToken))).ConfigureAwait(false)).OfType<ListedGroup>());
        return found;
    }

    private static async Task<ListedGroup?> ReadAsync(RadosPool pool, string name, CancellationToken cancellationToken) =>
        ReplicatedGroups.UuidOf(name) is { } uuid
        && await new GroupStateObject(pool, uuid).ReadAsync(cancellationToken).ConfigureAwait(false) is { } state
        && await GroupDirectory.ReadImagesAsync(pool, name, cancellationToken).ConfigureAwait(false) is { } images
            ? new ListedGroup(uuid, name, state, [.. images.Keys])
            : null;

    /// <summary>Image id to schedules, for the members of those that are primary here: the manager has none for them.</summary>
    public static IReadOnlyDictionary<string, IReadOnlyList<ReplicationSchedule>> SchedulesOf(IEnumerable<ListedGroup> groups)
    {
        Dictionary<string, IReadOnlyList<ReplicationSchedule>> found = new(StringComparer.Ordinal);
        foreach (var group in groups.Where(group => group.State.Role == WantedRole.Primary))
        {
            foreach (var image in group.ImageIds)
                found[image] = group.State.Schedule is { } schedule ? [schedule] : [];
        }
        return found;
    }
}
