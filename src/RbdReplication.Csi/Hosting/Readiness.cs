using RbdReplication.Core;

namespace RbdReplication.Csi.Hosting;

/// <summary>
/// Whether the server can do its work, as far as that depends on itself. A cluster that does not answer is no reason: each
/// call says so by its own answer, and the other clusters' volumes are still served.
/// </summary>
internal sealed class Readiness(Draining draining, ClusterFiles files)
{
    /// <summary>What is in the way; null if nothing is.</summary>
    public string? Obstacle
    {
        get
        {
            if (draining.HasBegun)
                return "draining";
            try
            {
                files.Read();
                return null;
            }
            catch (ReplicationException e)
            {
                return e.Message;
            }
        }
    }
}
