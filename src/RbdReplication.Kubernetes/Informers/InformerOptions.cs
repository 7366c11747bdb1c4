namespace RbdReplication.Kubernetes.Informers;

/// <summary>How to watch, and how often to start over.</summary>
public sealed record InformerOptions
{
    /// <summary>Objects asked for in one page of a list.</summary>
    public int PageSize { get; init; } = 250;

    /// <summary>A watch is asked to end after this time, up to twice as long, so that load spreads over API servers.</summary>
    public TimeSpan WatchDuration { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>A full list is made again after this time, to find what changed in Ceph behind our back.</summary>
    public TimeSpan FullListInterval { get; init; } = TimeSpan.FromHours(1);

    /// <summary>A kind that is optional, and that the API server does not have or may not show, is looked for again after this time.</summary>
    public TimeSpan AbsenceInterval { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>First wait after a failure; it doubles up to <see cref="LongestRetryDelay"/>.</summary>
    public TimeSpan FirstRetryDelay { get; init; } = TimeSpan.FromMilliseconds(800);

    /// <summary>Longest wait after a failure.</summary>
    public TimeSpan LongestRetryDelay { get; init; } = TimeSpan.FromSeconds(30);
}
