using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>The mirror snapshots among an image's snapshots.</summary>
internal static unsafe class MirrorSnapshots
{
    private const int MirrorNamespaceType = 3;

    /// <summary>Adds them to <paramref name="snapshots"/>, oldest first; blocks. Returns 0 or an errno, negated.</summary>
    public static long Read(ImageHandle image, List<MirrorSnapshot> snapshots) => SnapshotListing.Read(image, ReadOne, snapshots);

    private static MirrorSnapshot? ReadOne(ImageHandle image, int namespaceType, in SnapInfoLayout snapshot)
    {
        if (namespaceType != MirrorNamespaceType)
            return null;
        SnapMirrorNamespaceLayout mirror = default;
        var size = (nuint)sizeof(SnapMirrorNamespaceLayout);
        if (Librbd.SnapGetMirrorNamespace(image, snapshot.Id, &mirror, size) < 0)
            return null;
        var result = new MirrorSnapshot(
            snapshot.Id, (MirrorSnapshotState)mirror.State, mirror.Complete != 0, NativeText.Read(mirror.PrimaryMirrorUuid), mirror.PrimarySnapId,
            NativeText.ReadMany(mirror.MirrorPeerUuids, mirror.MirrorPeerUuidsCount), mirror.LastCopiedObjectNumber, SnapshotListing.TakenAt(image, snapshot.Id));
        _ = Librbd.SnapMirrorNamespaceCleanup(&mirror, size);
        return result;
    }
}
