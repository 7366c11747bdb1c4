using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// Whether the site that has not the primary could take over now by a forced promotion, as far as the sites' reports tell; nothing is opened.
/// What a promotion itself allows is decided when it is asked for.
/// </summary>
/// <param name="IsSafe">Whether there is a whole copy of one instant that replication has not left behind; null where the reports do not tell.</param>
/// <param name="Instant">The instant that is returned to; null where it is not reported, or everything is there.</param>
/// <param name="Reason">Why, and what would be lost; for people.</param>
public sealed record FailoverSafety(bool? IsSafe, DateTimeOffset? Instant, string Reason)
{
    /// <summary>Of what nothing is reported.</summary>
    public static FailoverSafety NotReported { get; } = new(null, null, "nothing is reported yet");

    /// <summary>Judges an image.</summary>
    /// <param name="role">Which copy this site has.</param>
    /// <param name="health">How well it is replicated.</param>
    /// <param name="message">What is seen and what to do.</param>
    /// <param name="own">This site's report; null for none.</param>
    /// <param name="peer">The peer's side.</param>
    /// <param name="lastSync">Time of the newest data that the secondary site holds completely.</param>
    /// <param name="now">The time.</param>
    internal static FailoverSafety Of(
        ImageRole role, ReplicationHealth health, string message, MirrorSiteStatus? own, PeerStatus peer, DateTimeOffset? lastSync, DateTimeOffset now) => role switch
        {
            _ when health == ReplicationHealth.Error => new(false, lastSync, message),
            ImageRole.Primary when health == ReplicationHealth.Healthy => OfCopy(peer.Report!, $"at {peer.SiteName}", lastSync),
            ImageRole.Primary => new(false, lastSync, message),
            ImageRole.Secondary when own is { IsUp: true, SaysDemotionIsCopied: true } => new(true, null, "the peer was demoted and all of its data is here: a promotion loses nothing"),
            ImageRole.Secondary when own is { IsUp: true, State: MirrorStatusState.Replaying or MirrorStatusState.Syncing } && OfCopy(own, "here", lastSync) is var copy =>
                peer.Role == PeerRole.Down ? copy with { Reason = $"{copy.Reason}; {peer.Describe(now)}: make sure that nothing writes there any more" } : copy,
            _ => new(null, lastSync, message),
        };

    /// <summary>The same after an earlier look at the same secondary copy that told the instant: a whole copy stays whole while its daemon finds no peer.</summary>
    internal FailoverSafety After(FailoverSafety before) => IsSafe is null && before is { IsSafe: true, Instant: { } instant }
        ? new FailoverSafety(true, Instant ?? instant, $"a forced promotion here would return to {Text(Instant ?? instant)} at least, as was reported before; {Reason}")
        : this;

    /// <summary>Judges a group: no better than any of its volumes, and safe only where a generation is known to be whole at the other site.</summary>
    /// <param name="group">The group.</param>
    /// <param name="members">Those of its volumes that are mirrored.</param>
    public static FailoverSafety Of(GroupStatus group, IReadOnlyCollection<ImageStatus> members)
    {
        ArgumentNullException.ThrowIfNull(group);
        ArgumentNullException.ThrowIfNull(members);
        if (group.ReturnPoint is { } point)
            return new(group.Health != ReplicationHealth.Error && point.Health == ReplicationHealth.Healthy, point.Generation?.TakenAt, point.Message);
        if (group.Health is ReplicationHealth.Error or ReplicationHealth.Unknown)
            return new(false, null, group.Message);
        if (members.Count < group.Members)
            return new(false, null, $"{VolumeCount.Words(group.Members - members.Count)} of the group {VolumeCount.Are(group.Members - members.Count)} not mirrored");
        if (members.FirstOrDefault(member => member.Failover.IsSafe != true) is { } member)
            return new(member.Failover.IsSafe, null, $"image {member.ImageName}: {member.Failover.Reason}");
        if (group.State.Role == WantedRole.Secondary)
            return new(null, null, "the copies of all its volumes are whole; to which generation of theirs a forced promotion would return is told by status with --generations, which opens them");
        return group.Newest is { } newest && members.All(image => image.LastSyncTime >= newest.TakenAt)
            ? new(true, newest.TakenAt, $"a forced failover would return to generation {newest.Number}, of {Text(newest.TakenAt)}")
            : new(null, null, "the newest generation has not come to the peer as a whole; which one it has is told by status with --generations");
    }

    /// <summary>The same after an earlier look at the same primary group: the peer keeps the generation that it had.</summary>
    internal FailoverSafety AfterGeneration(FailoverSafety before) => IsSafe is null && before is { IsSafe: true, Instant: not null } ? before : this;

    private static FailoverSafety OfCopy(MirrorSiteStatus report, string where, DateTimeOffset? lastSync) =>
        SyncReport.Parse(report.Description) is { EntriesBehindPrimary: > 0 and var behind }
            ? new(true, null, $"a forced promotion {where} would lack the last {behind} journal entries; journal mode tells no time of them")
            : lastSync is { } instant
            ? new(true, instant, $"a forced promotion {where} would return to {Text(instant)}")
            : new(null, null, $"it is not reported up to which time there is a whole copy {where}");

    private static string Text(DateTimeOffset time) => $"{time:yyyy-MM-dd HH:mm:ss} UTC";
}
