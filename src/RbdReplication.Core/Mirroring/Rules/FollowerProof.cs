namespace RbdReplication.Core;

/// <summary>A mirror snapshot that is taken for the proof that the peer follows.</summary>
public enum ProofSnapshot
{
    /// <summary>None is needed, or none would help.</summary>
    None,

    /// <summary>One by which the proof can be made at all.</summary>
    First,

    /// <summary>One more, once: who took the newest may have been killed before the peer was told of it.</summary>
    Nudge,
}

/// <summary>Whether the peer of a primary image follows it. Demoting it before that would leave both sites waiting for each other for ever.</summary>
public static class FollowerProof
{
    // A copy of what was written since the last snapshot normally takes less.
    private static readonly TimeSpan NudgeAfter = TimeSpan.FromSeconds(4);

    /// <summary>
    /// Whether the peer follows, so that it will copy the demotion too. Of a snapshot it needed it was seen to complete a newer one; or it
    /// needs none of those before the newest, and says itself that it follows, since a snapshot that nobody ever needed looks the same.
    /// Of a journal it has replayed an entry under the newest tag, which was made here as primary; where nothing was written under that yet,
    /// a report of what the peer did after the question is the proof. One that makes its first copy does not follow yet.
    /// </summary>
    public static bool PeerFollows(Sighting seen, MirrorChain before, DateTimeOffset firstAsked) => seen.History.Journal is { } journal
        ? journal.IsReplayedBy([.. seen.Followers.Select(peer => peer.MirrorUuid)])
            || (!seen.IsBeingCopied && seen.Peer.Role == PeerRole.Following && seen.Peer.Report!.LastUpdate >= firstAsked + RelocationTimes.ReportDelay)
        : seen.Chain.ShowsFollowerSince(before, seen.FollowerIds) || (NeedsNoneButTheNewest(seen) && seen.Peer.Role == PeerRole.Following);

    private static bool NeedsNoneButTheNewest(Sighting seen) =>
        seen.Chain.NamesFollower(seen.FollowerIds) && seen.Awaited is null && seen.Chain.SincePromotion.Skip(1).Any();

    /// <summary>Which snapshot is taken next for the proof, in snapshot mode.</summary>
    /// <param name="seen">The image and its peers.</param>
    /// <param name="waited">How long this call has waited for the proof.</param>
    /// <param name="hasNudged">Whether there was a nudge since this was first asked.</param>
    public static ProofSnapshot NextSnapshot(Sighting seen, TimeSpan waited, bool hasNudged) =>
        !seen.HasFollowers ? ProofSnapshot.None
        : NeedsProof(seen) ? ProofSnapshot.First
        : !hasNudged && waited >= NudgeAfter ? ProofSnapshot.Nudge
        : ProofSnapshot.None;

    /// <summary>Whether the proof can come within one call: a peer that is down does not come back so soon.</summary>
    public static bool IsWorthWaitingFor(Sighting seen) => seen.Peer.Role != PeerRole.Down;

    // While there is none that could prove it, or the newest is not one that a peer copies. One that a peer still needs proves it soon.
    private static bool NeedsProof(Sighting seen) => !seen.Chain.NamesFollower(seen.FollowerIds) || seen.Awaited is null;
}
