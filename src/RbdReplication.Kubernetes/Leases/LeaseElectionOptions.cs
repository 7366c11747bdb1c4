namespace RbdReplication.Kubernetes.Leases;

/// <summary>Which Lease decides and how fast; the times are client-go's, so that both kinds of candidates agree.</summary>
public sealed record LeaseElectionOptions
{
    /// <summary>The Lease.</summary>
    public required ObjectName Lease { get; init; }

    /// <summary>The name of this candidate; unique to the process.</summary>
    public string Identity { get; init; } = $"{Environment.MachineName}_{Guid.NewGuid():D}";

    /// <summary>How long others wait after the last renewal they saw before they take the lease. Whole seconds.</summary>
    public TimeSpan LeaseDuration { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long after its last successful renewal a leader stops leading; less than <see cref="LeaseDuration"/>.</summary>
    public TimeSpan RenewDeadline { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The time between renewals, and between attempts to become leader.</summary>
    public TimeSpan RetryPeriod { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>The Lease of a CSI driver's omap generator, as ceph-csi names it: a replica of either kind excludes the other.</summary>
    public static LeaseElectionOptions ForDriver(string driverName, string @namespace) =>
        new() { Lease = new ObjectName(@namespace, $"{driverName}-{@namespace}") };
}
