using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>The mirror snapshots among an image's snapshots.</summary>
internal static unsafe class MirrorSnapshots
{
    private const int FirstSnapshots = 16;
    private const int MaximumSnapshots = 1 << 16;
    private const int MirrorNamespaceType = 3;

    /// <summary>Adds them to <paramref name="snapshots"/>, oldest first; blocks. Returns 0 or an errno, negated.</summary>
    public static long Read(ImageHandle image, List<MirrorSnapshot> snapshots) => SizedCall.Run(FirstSnapshots, MaximumSnapshots, (ref nuint room) =>
    {
        var maximum = (int)room;
        var found = new SnapInfoLayout[maximum];
        fixed (SnapInfoLayout* first = found)
        {
            var count = Librbd.SnapList(image, first, &maximum);
            room = (nuint)maximum;
            if (count < 0)
                return count;
            for (var i = 0; i < count; i++)
            {
                if (ReadOne(image, found[i].Id) is { } snapshot)
                    snapshots.Add(snapshot);
            }
            if (count > 0)
                Librbd.SnapListEnd(first);
            snapshots.Sort(static (a, b) => a.Id.CompareTo(b.Id));
            return 0;
        }
    });

    // Null for a snapshot that is no mirror snapshot, or that went away meanwhile.
    private static MirrorSnapshot? ReadOne(ImageHandle image, ulong id)
    {
        if (Librbd.SnapGetNamespaceType(image, id, out var type) < 0 || type != MirrorNamespaceType)
            return null;
        SnapMirrorNamespaceLayout mirror = default;
        var size = (nuint)sizeof(SnapMirrorNamespaceLayout);
        if (Librbd.SnapGetMirrorNamespace(image, id, &mirror, size) < 0)
            return null;
        var time = Librbd.SnapGetTimestamp(image, id, out var timestamp) < 0 ? default : new Timespec(timestamp.Seconds, timestamp.Nanoseconds);
        var result = new MirrorSnapshot(
            id, (MirrorSnapshotState)mirror.State, mirror.Complete != 0, NativeText.Read(mirror.PrimaryMirrorUuid), mirror.PrimarySnapId,
            NativeText.ReadMany(mirror.MirrorPeerUuids, mirror.MirrorPeerUuidsCount), mirror.LastCopiedObjectNumber, time.ToDateTimeOffset());
        _ = Librbd.SnapMirrorNamespaceCleanup(&mirror, size);
        return result;
    }
}
