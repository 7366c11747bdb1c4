using System.CommandLine;

namespace RbdReplication.Csi.Cli;

/// <summary><c>drill</c>: rehearses a failover on clones, while replication goes on.</summary>
internal static class DrillCommand
{
    public static Command Create() => new("drill", "Rehearse a failover at the secondary, on clones of replicated volumes, while replication goes on; take points for it at the primary.")
    {
        DrillCreate.Create(), DrillList.Create(), DrillRemove.Create(), DrillPoint.Take(), DrillPoint.List(),
    };
}
