namespace RbdReplication.PersistentVolumes;

/// <summary>What became of one volume's mapping, or of one group's entries.</summary>
/// <param name="Result">In one word; the reason of Events and the <c>outcome</c> of metrics.</param>
/// <param name="Message">For people; empty where there is nothing to say.</param>
/// <param name="AwaitedImage">Name of the image that is not there yet; null where it is not that that is missing.</param>
internal readonly record struct ReconcileOutcome(ReconcileResult Result, string Message = "", string? AwaitedImage = null)
{
    /// <summary>The volume's image, or the group, can be found.</summary>
    public bool IsGood => Result is ReconcileResult.Unchanged or ReconcileResult.Mapped or ReconcileResult.Repaired;

    /// <summary>
    /// The failure has to do with this object. The others come from Ceph or the API server as a whole: they are logged and
    /// counted, but not told to each object.
    /// </summary>
    public bool IsOfObject => !IsGood && Result is not (ReconcileResult.CephUnreachable or ReconcileResult.ApiServerUnreachable or ReconcileResult.Interrupted);

    /// <summary>What was read is of a pool that is gone.</summary>
    public static ReconcileOutcome PoolReplaced(string pool) => new(ReconcileResult.Interrupted, $"pool {pool} was replaced by another of the same name");

    /// <summary>The connection was closed by others.</summary>
    public static ReconcileOutcome ConnectionClosed { get; } = new(ReconcileResult.Interrupted, "the connection was closed");
}

/// <summary>Results, as they are named in Events and metrics.</summary>
internal enum ReconcileResult
{
    /// <summary>Not decided.</summary>
    None,

    /// <summary>The mapping is complete and was before.</summary>
    Unchanged,

    /// <summary>The mapping is complete now.</summary>
    Mapped,

    /// <summary>Something was there and has been completed or corrected.</summary>
    Repaired,

    /// <summary>The image does not exist yet: the mirror has not created it.</summary>
    ImageNotFound,

    /// <summary>The Secret does not exist, or has no user or key.</summary>
    SecretNotFound,

    /// <summary>Ceph does not accept the Secret's user and key.</summary>
    CredentialsRejected,

    /// <summary>The PersistentVolume is broken.</summary>
    InvalidVolume,

    /// <summary>The VolumeGroupReplicationContent is broken.</summary>
    InvalidGroup,

    /// <summary>The cluster is in no configuration, or it cannot be told which one is this site's.</summary>
    ClusterNotFound,

    /// <summary>The pool does not exist.</summary>
    PoolNotFound,

    /// <summary>An entry belongs to another volume or group.</summary>
    MappingConflict,

    /// <summary>Ceph does not answer.</summary>
    CephUnreachable,

    /// <summary>The API server does not answer.</summary>
    ApiServerUnreachable,

    /// <summary>Somebody else wrote the same entry meanwhile: try again.</summary>
    Interrupted,

    /// <summary>Ceph answered something unforeseen.</summary>
    Failed,
}
