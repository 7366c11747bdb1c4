using System.CommandLine;

namespace RbdReplication.Csi.Cli;

/// <summary><c>drill</c>: rehearsing a failover on what the other site holds, while replication goes on.</summary>
internal static class DrillCommand
{
    public static Command Create() => new("drill", "Rehearse a failover while replication goes on.")
    {
        DrillPoint.Take(), DrillPoint.List(),
    };
}
