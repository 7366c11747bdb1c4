using System.Collections.Concurrent;

namespace RbdReplication.Core;

/// <summary>
/// Remembers since when something is being asked for over and over, which tells reports that are newer than the question from
/// old ones. A restart forgets it, which only means waiting again.
/// </summary>
internal sealed class AskedTimes(TimeProvider time)
{
    // The controller comes again after 1000 s at the latest.
    private static readonly TimeSpan Memory = TimeSpan.FromMinutes(20);

    private readonly ConcurrentDictionary<string, Asked> _asked = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Notes the question and returns when it was first asked.</summary>
    public DateTimeOffset First(string question)
    {
        var now = time.GetUtcNow();
        return _asked.AddOrUpdate(
            question, _ => new Asked(now, now), (_, asked) => now - asked.Last > Memory ? new Asked(now, now) : asked with { Last = now }).First;
    }

    /// <summary>The question is answered, or no longer the same.</summary>
    public void Forget(string question) => _asked.TryRemove(question, out _);

    private sealed record Asked(DateTimeOffset First, DateTimeOffset Last);
}
