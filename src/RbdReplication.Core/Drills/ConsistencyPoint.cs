namespace RbdReplication.Core;

/// <summary>A consistency point of a volume as one site sees it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="TakenAt">When it was taken; of one that has come from the peer when it came, since no snapshot tells when the peer took it.</param>
/// <param name="IsTakenHere">Whether nothing says that it has come from the peer.</param>
/// <param name="IsWhole">Whether all of it is known to be at this site.</param>
/// <param name="HeldBy">Names of the peers that are known to hold all of it, where this site is primary.</param>
/// <param name="AwaitedBy">Names of those that follow and are not known to.</param>
public sealed record ConsistencyPoint(
    PointName Name, DateTimeOffset TakenAt, bool IsTakenHere, bool IsWhole, IReadOnlyList<string> HeldBy, IReadOnlyList<string> AwaitedBy)
{
    /// <summary>Whether it can be used at all peers that follow. Never where none does.</summary>
    public bool IsHeldByAll => HeldBy.Count > 0 && AwaitedBy.Count == 0;
}

/// <summary>A peer that follows a primary image.</summary>
/// <param name="Uuid">Its id, as mirror snapshots name it.</param>
/// <param name="SiteName">Its name.</param>
/// <param name="LastSyncTime">When the newest was taken that it last reported to hold; null: it reports none.</param>
public sealed record PointFollower(string Uuid, string SiteName, DateTimeOffset? LastSyncTime);
