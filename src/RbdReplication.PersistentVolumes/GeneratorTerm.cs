namespace RbdReplication.PersistentVolumes;

/// <summary>What is kept during one term as leader.</summary>
internal sealed record GeneratorTerm(VolumeMapController Volumes, GroupMapController Groups)
{
    public bool HasPassed => Volumes.HasPassed && Groups.HasPassed;

    public int QueueDepth => Volumes.QueueDepth + Groups.QueueDepth;
}
