namespace RbdReplication.Core;

/// <summary>The places where something was looked for in vain, and why it is at none of them.</summary>
public sealed class TriedPlaces
{
    // An answer that may come later outweighs one that is final, and "gone" is said only where nothing else is in doubt.
    private static readonly ReplicationError[] ByWeight =
        [ReplicationError.Unavailable, ReplicationError.AccessDenied, ReplicationError.NotFound, ReplicationError.NotConfigured];

    private readonly List<ReplicationException> _failures = [];

    /// <summary>Notes a place and why it is not there.</summary>
    public void Add(ReplicationException failure) => _failures.Add(failure);

    /// <summary>The failure, with every place in its message.</summary>
    /// <param name="subject">What was looked for.</param>
    /// <param name="advice">What to do about it, where that is known: then the configuration is at fault.</param>
    public ReplicationException ToException(string subject, string? advice = null)
    {
        var first = _failures.OrderBy(failure => Array.IndexOf(ByWeight, failure.Error)).First();
        var message = _failures.Count == 1
            ? first.Message
            : $"{subject} is at none of its {_failures.Count} possible places: {string.Join("; ", _failures.Select(failure => failure.Message))}";
        return advice is null
            ? new ReplicationException(first.Error, message, first)
            : new ReplicationException(ReplicationError.NotConfigured, $"{message}; {advice}", first);
    }
}
