using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>Turns the C structures of mirroring into values.</summary>
internal static unsafe class MirrorReading
{
    private const int MirrorNamespaceType = 3;

    public static MirrorImageInfo Info(MirrorImageInfoLayout info) =>
        new(NativeText.Read(info.GlobalId), (MirrorImageState)info.State, info.Primary != 0);

    public static MirrorGlobalStatus GlobalStatus(MirrorGlobalStatusLayout status)
    {
        var sites = new MirrorSiteStatus[status.SiteStatusesCount];
        for (var i = 0; i < sites.Length; i++)
        {
            var site = status.SiteStatuses[i];
            sites[i] = new MirrorSiteStatus(
                NativeText.Read(site.MirrorUuid), (MirrorStatusState)site.State, NativeText.Read(site.Description),
                DateTimeOffset.FromUnixTimeSeconds(site.LastUpdate), site.Up != 0);
        }
        return new MirrorGlobalStatus(NativeText.Read(status.Name), Info(status.Info), sites);
    }

    public static long Snapshots(ImageHandle image, List<MirrorSnapshot> snapshots)
    {
        var capacity = 16;
        while (true)
        {
            var found = new SnapInfoLayout[capacity];
            fixed (SnapInfoLayout* first = found)
            {
                var maximum = capacity;
                var count = Librbd.SnapList(image, first, &maximum);
                if (count == -(int)Errno.ERANGE)
                {
                    capacity = Math.Max(capacity * 2, maximum);
                    continue;
                }
                if (count < 0)
                    return count;
                for (var i = 0; i < count; i++)
                {
                    if (Snapshot(image, found[i].Id) is { } snapshot)
                        snapshots.Add(snapshot);
                }
                if (count > 0)
                    Librbd.SnapListEnd(first);
                snapshots.Sort(static (a, b) => a.Id.CompareTo(b.Id));
                return 0;
            }
        }
    }

    // Null for a snapshot that is no mirror snapshot, or that went away meanwhile.
    private static MirrorSnapshot? Snapshot(ImageHandle image, ulong id)
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
