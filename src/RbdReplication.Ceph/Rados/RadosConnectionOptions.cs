namespace RbdReplication.Ceph;

/// <summary>What is needed to reach a cluster. No configuration file is read and no key is written to disk.</summary>
public sealed record RadosConnectionOptions
{
    /// <summary>The monitors.</summary>
    public required MonitorList Monitors { get; init; }

    /// <summary>Ceph user without <c>client.</c>.</summary>
    public required string User { get; init; }

    /// <summary>The user's key.</summary>
    public required CephKey Key { get; init; }

    /// <summary>Longest time to wait for the monitors when connecting. Ceph's own default is 300 s.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(4);

    /// <summary>
    /// Longest time for one operation of a monitor, a manager or an OSD; without it a frozen daemon holds a call for ever.
    /// A librbd call of several steps can take a multiple of it.
    /// </summary>
    public TimeSpan OperationTimeout { get; init; } = TimeSpan.FromSeconds(30);
}
