using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>Reading the snapshots of an image that are of one kind.</summary>
internal static unsafe class SnapshotListing
{
    private const int FirstSnapshots = 16;
    private const int MaximumSnapshots = 1 << 16;

    /// <summary>What is made of a snapshot; null for one that is of another kind, or that went away meanwhile.</summary>
    public delegate T? Reader<T>(ImageHandle image, int namespaceType, in SnapInfoLayout snapshot) where T : class;

    /// <summary>Adds them to <paramref name="snapshots"/>, oldest first; blocks. Returns 0 or an errno, negated.</summary>
    public static long Read<T>(ImageHandle image, Reader<T> read, List<T> snapshots) where T : class =>
        SizedCall.Run(FirstSnapshots, MaximumSnapshots, (ref nuint room) =>
        {
            var maximum = (int)room;
            var found = new SnapInfoLayout[maximum];
            fixed (SnapInfoLayout* first = found)
            {
                var count = Librbd.SnapList(image, first, &maximum);
                room = (nuint)maximum;
                if (count < 0)
                    return count;
                var listed = found.AsSpan(0, count);
                listed.Sort(static (a, b) => a.Id.CompareTo(b.Id));
                foreach (ref readonly var snapshot in listed)
                {
                    if (Librbd.SnapGetNamespaceType(image, snapshot.Id, out var type) >= 0 && read(image, type, snapshot) is { } result)
                        snapshots.Add(result);
                }
                if (count > 0)
                    Librbd.SnapListEnd(first);
                return 0;
            }
        });

    /// <summary>When a snapshot was taken, by the clock of this site's cluster.</summary>
    public static DateTimeOffset TakenAt(ImageHandle image, ulong id)
    {
        var time = Librbd.SnapGetTimestamp(image, id, out var timestamp) < 0 ? default : new Timespec(timestamp.Seconds, timestamp.Nanoseconds);
        return time.ToDateTimeOffset();
    }
}
