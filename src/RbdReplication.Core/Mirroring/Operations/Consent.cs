namespace RbdReplication.Core;

/// <summary>
/// What stands between a decision and what is done by it: for a volume by itself that the decision is fresh. The members of a group wait here
/// for each other, see <see cref="CommonConsent"/>.
/// </summary>
/// <param name="time">Clock.</param>
public class Consent(TimeProvider time)
{
    /// <summary>When something was decided that does not grow old.</summary>
    public static readonly DateTimeOffset Lasting = DateTimeOffset.MaxValue;

    /// <summary>Whether it may be done now. If not, what it was decided by has grown old, and is to be looked at again.</summary>
    /// <param name="decidedAt">When that was seen.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public virtual Task<bool> IsGivenAsync(DateTimeOffset decidedAt, CancellationToken cancellationToken) => Task.FromResult(IsFresh(decidedAt));

    /// <summary>Nothing is to be done that others would have to wait for.</summary>
    public virtual void IsNotNeeded()
    {
    }

    /// <summary>Whether what was seen at that time still holds.</summary>
    protected bool IsFresh(DateTimeOffset seenAt) => time.GetUtcNow() - seenAt < Sighting.Lifetime;
}
