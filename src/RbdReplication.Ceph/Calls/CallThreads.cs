namespace RbdReplication.Ceph;

/// <summary>
/// The threads that one connection has for blocking calls, by what they are for, so that calls of one kind that hang keep
/// none of another kind waiting, and a cluster that hangs no other cluster.
/// </summary>
/// <param name="user">The Ceph user, for the threads' names.</param>
internal sealed class CallThreads(string user)
{
    // 64 volumes enabled at once wait for one monitor round together; with fewer threads they would queue for several.
    private const int MaximumChanges = 64;

    private const int MaximumLookUps = 16;

    // Each moves data for minutes: more at once would only take the OSDs' bandwidth from each other.
    private const int MaximumLongCalls = 4;

    // All members of a group return side by side; what bounds the operations at once is librbd's own limit for an image.
    private const int MaximumRollbacks = 64;

    private const int MaximumFencing = 2;

    // All members of a group wait at once, of which there are 100 at most, and are looked at meanwhile.
    private const int MaximumBarrierCalls = 128;

    // A monitor takes many in one round.
    private const int MaximumMonitorCommands = 16;

    /// <summary>Connecting, and short calls that change something: mirror enable, disable and resync, image metadata, manager commands.</summary>
    public BlockingCalls Changes { get; } = new("ceph-" + user, "changes", MaximumChanges);

    /// <summary>Short calls that only read.</summary>
    public BlockingCalls LookUps { get; } = new("ceph-read-" + user, "lookups", MaximumLookUps);

    /// <summary>Calls that run for minutes: flatten.</summary>
    public BlockingCalls LongCalls { get; } = new("ceph-long-" + user, "long", MaximumLongCalls);

    /// <summary>Returning images to a snapshot, for which a group waits that is failed over: behind no flatten, which may take hours.</summary>
    public BlockingCalls Rollbacks { get; } = new("ceph-rollback-" + user, "rollbacks", MaximumRollbacks);

    /// <summary>Giving space back, which takes from minutes to hours and ends for whatever else is to be done: none waits here behind a flatten.</summary>
    public BlockingCalls Reclaims { get; } = new("ceph-reclaim-" + user, "reclaims", RadosCluster.MaximumReclaims);

    /// <summary>Cutting a client off, upon which calls that hang on the other threads end.</summary>
    public BlockingCalls Fencing { get; } = new("ceph-fence-" + user, "fencing", MaximumFencing);

    /// <summary>Snapshots that wait for each other, see <see cref="GroupBarrier"/>, and what is looked up while they do.</summary>
    public BlockingCalls Barriers { get; } = new("ceph-barrier-" + user, "barriers", MaximumBarrierCalls);

    /// <summary>Commands to the monitors, of which a network to be fenced may take a thousand.</summary>
    public BlockingCalls MonitorCommands { get; } = new("ceph-mon-" + user, "monitors", MaximumMonitorCommands);
}
