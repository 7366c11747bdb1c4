namespace RbdReplication.Kubernetes.Work;

/// <summary>When a key that failed is tried again.</summary>
public sealed record WorkQueueOptions
{
    /// <summary>The wait after the first failure; it doubles with every further one.</summary>
    public TimeSpan FirstRetryDelay { get; init; } = TimeSpan.FromMilliseconds(5);

    /// <summary>The longest wait.</summary>
    public TimeSpan LongestRetryDelay { get; init; } = TimeSpan.FromSeconds(1000);
}
