namespace RbdReplication.Kubernetes.Volumes;

/// <summary>What <see cref="PersistentVolumeInformer"/> reports, in order.</summary>
public abstract record VolumeChange
{
    private VolumeChange()
    {
    }

    /// <summary>One page of a full list. A list may be repeated: every volume is reported again.</summary>
    public sealed record Listed(IReadOnlyList<PersistentVolume> Volumes) : VolumeChange;

    /// <summary>The last page has been reported, and after it the volumes that are gone since the list before.</summary>
    /// <param name="Count">Volumes of the driver in the cluster.</param>
    public sealed record ListCompleted(int Count) : VolumeChange;

    /// <summary>A volume appeared, or something about it changed that matters to its mapping.</summary>
    public sealed record Applied(PersistentVolume Volume) : VolumeChange;

    /// <summary>A volume is gone.</summary>
    /// <param name="Id">The <see cref="VolumeId"/> it was reported under.</param>
    public sealed record Deleted(Guid Id) : VolumeChange;
}
