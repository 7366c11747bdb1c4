using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Relocation;

/// <summary>Something that is broken for a while.</summary>
/// <param name="What">What it is, for the record.</param>
/// <param name="BreakAsync">Breaks it.</param>
/// <param name="HealAsync">Makes it good again.</param>
public sealed record Fault(string What, Func<Task> BreakAsync, Func<Task> HealAsync)
{
    /// <summary>What may happen to the daemons and the server of a site.</summary>
    public static IReadOnlyList<Fault> At(TwoSites sites, Site site) =>
    [
        new($"mirror frozen at {site}", () => sites.StopAsync(site, "mirror", "freeze"), () => sites.StartAsync(site, "mirror")),
        new($"mirror killed at {site}", () => sites.StopAsync(site, "mirror", "kill"), () => sites.StartAsync(site, "mirror")),
        new($"osd frozen at {site}", () => sites.StopAsync(site, "osd", "freeze"), () => sites.StartAsync(site, "osd")),
        new($"server killed at {site}", site.KillServerAsync, site.RestartServerAsync),
    ];

    /// <summary>The mirror daemons are cut off from the other site.</summary>
    public static Fault Partition(TwoSites sites) => new("partition", sites.PartitionAsync, sites.HealAsync);
}
