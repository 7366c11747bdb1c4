namespace RbdReplication.Core;

/// <summary>A volume that is to be in a group.</summary>
/// <param name="Id">Its handle as it was sent; the journal has it letter by letter.</param>
/// <param name="Handle">The same, read.</param>
public sealed record GroupMember(string Id, VolumeHandle Handle)
{
    /// <summary>The most members that a group has; the controller has the same limit.</summary>
    public const int Maximum = 100;

    private const int Shown = VolumeHandle.MaximumBytes;

    /// <summary>Reads the list of a request.</summary>
    /// <param name="volumeIds">The handles, as they were sent.</param>
    /// <exception cref="ReplicationException">InvalidArgument: one is no handle, or is there twice. TooMany: there are more than a group has.</exception>
    public static IReadOnlyList<GroupMember> ParseList(IReadOnlyCollection<string> volumeIds)
    {
        ArgumentNullException.ThrowIfNull(volumeIds);
        if (volumeIds.Count > Maximum)
            throw new ReplicationException(ReplicationError.TooMany, $"the request lists {volumeIds.Count} volumes, and a volume group has {Maximum} at most; divide them among several groups");
        var members = volumeIds.Select(Parse).ToList();
        // Both sites' handles of a volume name the same image.
        if (members.GroupBy(member => member.Handle.Uuid, StringComparer.OrdinalIgnoreCase).FirstOrDefault(same => same.Count() > 1) is { } twice)
            throw Invalid($"the request lists volume {twice.First().Handle} more than once, also where that is by the other site's handle; list each volume once");
        return members;
    }

    private static GroupMember Parse(string id) => VolumeHandle.TryParse(id, out var handle, out var problem)
        ? new GroupMember(id, handle)
        : throw Invalid($"the request lists \"{(id.Length <= Shown ? id : id[..Shown] + "…")}\", which is not a volume handle of ceph-csi: {problem}");

    private static ReplicationException Invalid(string message) => new(ReplicationError.InvalidArgument, message);
}
