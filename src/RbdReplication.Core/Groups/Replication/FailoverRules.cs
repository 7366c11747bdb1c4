namespace RbdReplication.Core;

/// <summary>What is seen of a member before its group is promoted by force.</summary>
/// <param name="IsPrimary">Whether it is primary here already.</param>
/// <param name="Snapshots">Its snapshots.</param>
public sealed record FailoverSighting(bool IsPrimary, MemberSnapshots Snapshots);

/// <summary>To which instant a group returns that is promoted by force.</summary>
public static class FailoverRules
{
    /// <summary>Decides, before anything is done.</summary>
    /// <param name="members">All members.</param>
    /// <param name="to">The generation that all return to; null where what is here is to stay.</param>
    public static RelocationDecision Decide(IReadOnlyList<FailoverSighting> members, out GenerationName? to)
    {
        ArgumentNullException.ThrowIfNull(members);
        to = null;
        // They may be in use: what the others lack is no reason to throw away what was written since.
        if (members.Any(member => member.IsPrimary))
            return RelocationDecision.Allow("some are primary already");
        IReadOnlyList<MemberSnapshots> snapshots = [.. members.Select(member => member.Snapshots)];
        if (snapshots.Count == 0 || !GenerationRules.NeedsReturn(snapshots))
            return RelocationDecision.Allow("this site holds what the application has left when it was stopped");
        to = NewestWhole(snapshots);
        return to is null
            ? RelocationDecision.Refuse(
                ReplicationError.FailedPrecondition,
                "there is no generation that this site has whole of all its volumes, so what it has of them is of different instants; to take that all the same, take the volumes out of the group and promote them one by one")
            : RelocationDecision.Allow("there is a generation of all");
    }

    /// <summary>The newest generation that a site which takes over has whole of all members; null: none.</summary>
    public static GenerationName? NewestWhole(IReadOnlyList<MemberSnapshots> members)
    {
        ArgumentNullException.ThrowIfNull(members);
        if (members.Count == 0)
            return null;
        var whole = members[0].Users.Select(snapshot => GenerationName.Parse(snapshot.Name)?.Group).OfType<string>().Distinct()
            .Select(group => GenerationRules.NewestWhole(group, members) is { } number ? new GenerationName(group, number) : (GenerationName?)null).OfType<GenerationName>().ToList();
        // The other site may know the group by another uuid, and both may have taken some.
        return members[0].Users.OrderByDescending(snapshot => snapshot.TakenAt).Select(snapshot => GenerationName.Parse(snapshot.Name)).FirstOrDefault(name => name is { } one && whole.Contains(one));
    }

    /// <summary>To what a site that follows would return the group, for people.</summary>
    public static ReturnPoint ReturnPoint(IReadOnlyList<MemberSnapshots> members)
    {
        ArgumentNullException.ThrowIfNull(members);
        var decision = Decide([.. members.Select(snapshots => new FailoverSighting(IsPrimary: false, snapshots))], out var to);
        var held = to is { } generation && TakenBy(members, generation) is { } takenBy ? new HeldGeneration(generation.Number, takenBy) : null;
        return decision.Refusal is null
            ? new ReturnPoint(
                held, ReplicationHealth.Healthy,
                held is null ? $"a forced promotion here would leave it as it is: {decision.Reason}" : $"a forced promotion here would return to generation {held.Number}, taken no later than {held.TakenAt:yyyy-MM-dd HH:mm:ss} UTC")
            : new ReturnPoint(null, ReplicationHealth.Degraded, $"a forced promotion here would be refused: {decision.Reason}");
    }

    /// <summary>
    /// The latest time that the instant of a generation can be of, by the copies at a site that follows; null where not all have it. The mirror daemon
    /// makes a snapshot when it comes to it, so that its time there is not the instant.
    /// </summary>
    public static DateTimeOffset? TakenBy(IReadOnlyList<MemberSnapshots> members, GenerationName generation)
    {
        ArgumentNullException.ThrowIfNull(members);
        var copies = members.Select(member => member.FinishedOf(generation.Group).GetValueOrDefault(generation.Number)).ToList();
        return copies.Count > 0 && copies.All(copy => copy is not null) ? copies.Min(copy => copy!.TakenAt) : null;
    }

    /// <summary>The newest generation that a site has any part of, where that is later than the one it returns to; null: none.</summary>
    public static long? LeftBehind(IReadOnlyList<FailoverSighting> members, GenerationName to)
    {
        ArgumentNullException.ThrowIfNull(members);
        return members.SelectMany(member => member.Snapshots.Users).Max(snapshot => GenerationName.NumberOf(to.Group, snapshot.Name, out _)) is { } newest && newest > to.Number
            ? newest
            : null;
    }
}
