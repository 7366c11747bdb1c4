namespace RbdReplication.Ceph;

/// <summary>A point in time as Ceph stores it. Kept in full: .NET's ticks of 100 ns would lose the last two digits.</summary>
/// <param name="Seconds">Seconds since 1970-01-01 UTC.</param>
/// <param name="Nanoseconds">Nanoseconds within the second.</param>
public readonly record struct Timespec(long Seconds, long Nanoseconds)
{
    /// <summary>The same as a .NET time, rounded down to 100 ns.</summary>
    public DateTimeOffset ToDateTimeOffset() => DateTimeOffset.FromUnixTimeSeconds(Seconds).AddTicks(Nanoseconds / TimeSpan.NanosecondsPerTick);
}

/// <summary>The snapshot of another image that an image is a clone of.</summary>
/// <param name="PoolId">Pool number of the parent.</param>
/// <param name="PoolName">Pool of the parent.</param>
/// <param name="Namespace">Rados namespace of the parent.</param>
/// <param name="ImageId">Id of the parent image.</param>
/// <param name="ImageName">Name of the parent image.</param>
/// <param name="IsInTrash">Whether the parent has been moved to the trash.</param>
/// <param name="IsSnapshotInTrash">Whether the snapshot has been removed, and is kept for this image and others like it alone.</param>
public sealed record ImageParent(
    long PoolId, string PoolName, string Namespace, string ImageId, string ImageName, bool IsInTrash, bool IsSnapshotInTrash)
{
    /// <summary>The parent as the rbd tool writes it.</summary>
    public override string ToString() => Namespace.Length == 0 ? $"{PoolName}/{ImageName}" : $"{PoolName}/{Namespace}/{ImageName}";
}

/// <summary>An image that is a clone of another, or of a clone of it.</summary>
/// <param name="PoolId">Pool number of the clone.</param>
/// <param name="Namespace">Rados namespace of the clone.</param>
/// <param name="ImageId">Id of the clone.</param>
/// <param name="Spec">The clone as the rbd tool writes it.</param>
public sealed record ImageClone(long PoolId, string Namespace, string ImageId, string Spec);

/// <summary>A client that has an image open for writing.</summary>
/// <param name="Address">Its network address.</param>
/// <param name="ClientId">Its number, as in <c>client.4151</c>; <see cref="RadosCluster.InstanceId"/> is our own.</param>
/// <param name="Cookie">Id of the watch.</param>
public sealed record ImageWatcher(string Address, long ClientId, ulong Cookie);

/// <summary>Features of an image. <c>rbd/features.h</c>.</summary>
[Flags]
public enum ImageFeatures : ulong
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Clones are possible.</summary>
    Layering = 1,

    /// <summary>One writer at a time.</summary>
    ExclusiveLock = 1 << 2,

    /// <summary>Keeps track of which objects exist.</summary>
    ObjectMap = 1 << 3,

    /// <summary>Quick differences between snapshots.</summary>
    FastDiff = 1 << 4,

    /// <summary>Snapshots are flattened along with the image.</summary>
    DeepFlatten = 1 << 5,

    /// <summary>Every write is logged.</summary>
    Journaling = 1 << 6,

    /// <summary>Set by the mirror daemon on secondary images.</summary>
    NonPrimary = 1 << 10,
}

/// <summary>Whether what is kept about an image's objects can be relied on. <c>rbd/features.h</c>.</summary>
[Flags]
internal enum ImageFlags : ulong
{
    /// <summary>It can.</summary>
    None = 0,

    /// <summary>Not which objects exist.</summary>
    ObjectMapInvalid = 1,

    /// <summary>Not what differs between snapshots.</summary>
    FastDiffInvalid = 1 << 1,
}
