namespace RbdReplication.Ceph;

/// <summary>What became of a generation that was asked for.</summary>
public enum GenerationResult
{
    /// <summary>All members have its user snapshot, which is of one instant, and a mirror snapshot after it.</summary>
    Taken,

    /// <summary>At each attempt others took snapshots of a member at the same moment, so that it is not known whether all are of one instant.</summary>
    Torn,

    /// <summary>Whoever writes would have waited for longer than was allowed.</summary>
    HeldTooLong,

    /// <summary>A call failed.</summary>
    Failed,
}

/// <summary>The same with what is known of it. Where it is not taken all members may have its user snapshot nevertheless: that is then as good.</summary>
/// <param name="Result">What became of it.</param>
/// <param name="Held">For how long, at most, the lock of a member was kept from whoever writes to it.</param>
/// <param name="Attempts">Barriers that were begun; two where nothing was in the way.</param>
/// <param name="Lost">How often the lock of a member had gone back to whoever writes to it before its snapshot was begun, which was then begun again.</param>
/// <param name="ImageId">The member at which a call failed, or that did not come in time; null where it is none of them.</param>
/// <param name="Failure">
/// The call that failed. EBUSY: the process has ended in the middle, or an attempt before this one still waits for the lock of the member. EEXIST: a generation of this name was begun before.
/// EOPNOTSUPP: the member has no exclusive lock.
/// </param>
public sealed record GenerationOutcome(GenerationResult Result, TimeSpan Held, int Attempts, int Lost, string? ImageId, CephException? Failure);
