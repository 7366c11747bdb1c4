using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>What is asked of a drill.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Volumes">Single volumes; none where a group is named.</param>
/// <param name="Group">A volume group; null where single volumes are named.</param>
/// <param name="Point">Name of the consistency point; null: the newest that is whole here.</param>
/// <param name="Generation">Number of the group's generation; null: the newest that is whole here.</param>
/// <param name="Namespace">Kubernetes namespace of its claims.</param>
public sealed record DrillRequest(
    string Name, IReadOnlyList<VolumeHandle> Volumes, VolumeHandle? Group, string? Point, long? Generation, string Namespace)
{
    /// <summary>Whether the caller has said which point is meant.</summary>
    public bool NamesPoint => Point is not null || Generation is not null;
}

/// <summary>Of which point a drill is, and what can be done with one. Decided from values alone.</summary>
public static class DrillRules
{
    /// <summary>
    /// The consistency point of a volume: the one that is named, or the newest; null where it is not whole here, or where that cannot be told. Of a
    /// volume that is primary it cannot once a peer has copied the point: librbd has removed the mirror snapshot before it then, and what a promotion by
    /// force has left a part of looks the same.
    /// </summary>
    /// <param name="seen">The volume's snapshots.</param>
    /// <param name="name">Its name; null for the newest.</param>
    public static DrillPoint? PointOf(MemberSnapshots seen, string? name)
    {
        ArgumentNullException.ThrowIfNull(seen);
        return seen.Users.Where(snapshot => PointName.Parse(snapshot.Name) is { } point && (name is null || point.Name == name) && seen.HasWhole(snapshot))
            .Select(snapshot => Of(seen, snapshot)).LastOrDefault();
    }

    /// <summary>The generation of a group in each of its members: the one of this number, or the newest; null where it is not whole of all here.</summary>
    /// <param name="members">The snapshots of all members.</param>
    /// <param name="number">Its number; null for the newest.</param>
    public static IReadOnlyList<DrillPoint>? GenerationOf(IReadOnlyList<MemberSnapshots> members, long? number)
    {
        ArgumentNullException.ThrowIfNull(members);
        if (members.Count == 0)
            return null;
        // A failover has left a group that is primary nothing of which there was a part; and what all its members have is of one instant.
        var arePrimary = members.All(member => member.IsPrimary);
        UserSnapshot? In(MemberSnapshots member, GenerationName? generation) =>
            generation is { } name && member.FinishedOf(name.Group).GetValueOrDefault(name.Number) is { } snapshot && (arePrimary || member.HasWhole(snapshot)) ? snapshot : null;

        // Newest first; the two sites may know the group by uuids of their own.
        var generation = members[0].Users.Reverse().Select(snapshot => GenerationName.Parse(snapshot.Name))
            .FirstOrDefault(name => (number is null || name?.Number == number) && members.All(member => In(member, name) is not null));
        return generation is null ? null : [.. members.Select(member => Of(member, In(member, generation)!))];
    }

    /// <summary>When the newest point of a volume was taken of which a drill can be made, its own or a generation of its group; null: there is none.</summary>
    public static DateTimeOffset? NewestTime(MemberSnapshots seen)
    {
        ArgumentNullException.ThrowIfNull(seen);
        return seen.Users.LastOrDefault(snapshot => (PointName.Parse(snapshot.Name) is not null || GenerationName.Parse(snapshot.Name) is not null) && seen.HasWhole(snapshot))?.TakenAt;
    }

    /// <summary>Whether a drill that is there already is the one that is asked for, so that it can be gone on with.</summary>
    /// <param name="drill">What is there.</param>
    /// <param name="request">What is asked for.</param>
    /// <param name="volumes">The volumes that are asked for, by their handles.</param>
    public static RelocationDecision Same(Drill drill, DrillRequest request, IReadOnlyCollection<string> volumes)
    {
        ArgumentNullException.ThrowIfNull(drill);
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(volumes);
        if (!UuidsOf(drill.Members.Select(member => member.Source)).SetEquals(UuidsOf(volumes)) || drill.Group is null != request.Group is null)
            return Other($"it is of {(drill.Group is { } group ? $"volume group {group}" : string.Join(", ", drill.Members.Select(member => member.Source)))}");
        if (drill.Namespace != request.Namespace)
            return Other($"its claims are of namespace {drill.Namespace}");
        var named = request.Generation is { } number ? $"generation {number}" : request.Point;
        return named is not null && drill.Members.FirstOrDefault(member => member.Point.Title != named) is { } other
            ? Other($"it is of {other.Point.Title}")
            : RelocationDecision.Allow("it is the same drill");
    }

    /// <summary>Whether the volumes of a drill can be removed.</summary>
    /// <param name="clients">Who has which of them open.</param>
    public static RelocationDecision Removal(IReadOnlyCollection<DrillClient> clients)
    {
        ArgumentNullException.ThrowIfNull(clients);
        return clients.Count == 0
            ? RelocationDecision.Allow("nobody has any of it open")
            : RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition,
                $"{string.Join(", ", clients.Select(client => $"{client.PersistentVolume} is open at {client.Address} (client.{client.ClientId})"))}; delete the pods that use it, or give --force, which puts those clients on the cluster's blocklist with all that they have open; one that was killed is gone by itself after half a minute");
    }

    private static RelocationDecision Other(string reason) => RelocationDecision.Refuse(
        ReplicationError.AlreadyExists, $"there is a drill of this name, and {reason}; choose another name, or remove that one first with drill remove");

    private static HashSet<string> UuidsOf(IEnumerable<string> handles) =>
        handles.Select(handle => handle[^VolumeHandle.UuidLength..]).ToHashSet(StringComparer.OrdinalIgnoreCase);

    private static DrillPoint Of(MemberSnapshots seen, UserSnapshot snapshot) =>
        new(snapshot.Name, snapshot.SizeBytes, snapshot.TakenAt, seen.WasTakenHere(snapshot) || seen.IsPrimary);
}

/// <summary>A client that has a volume of a drill open for writing.</summary>
/// <param name="PersistentVolume">The PV of the volume.</param>
/// <param name="Address">Network address of the client.</param>
/// <param name="ClientId">Its number, as in <c>client.4151</c>.</param>
public sealed record DrillClient(string PersistentVolume, string Address, long ClientId);
