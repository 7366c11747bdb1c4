using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>
/// The snapshots of an image that is not open, as librbd stores them in the image's header (<c>cls_rbd_snap</c>): one read, where opening takes a
/// dozen. What listings use that go over many images.
/// </summary>
/// <param name="Users">User snapshots, oldest first.</param>
/// <param name="Mirrors">Mirror snapshots, oldest first.</param>
public sealed record StoredSnapshots(IReadOnlyList<UserSnapshot> Users, IReadOnlyList<MirrorSnapshot> Mirrors)
{
    private const string KeyPrefix = "snapshot_";

    // Before Nautilus there was more in front of what is read here, and no mirror snapshots.
    private const byte Nautilus = 8;

    // cls::rbd::SnapshotNamespaceType.
    private const uint UserType = 0;
    private const uint MirrorType = 3;

    /// <summary>Reads them; null: there is no such image.</summary>
    /// <exception cref="FormatException">They are not encoded as expected.</exception>
    public static async Task<StoredSnapshots?> ReadAsync(RadosPool pool, string imageId, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pool);
        var stored = await pool.ListOmapBytesAsync(StoredMetadata.ObjectOf(imageId), KeyPrefix, cancellationToken).ConfigureAwait(false);
        return stored is null ? null : Parse(stored.Values);
    }

    internal static StoredSnapshots Parse(IEnumerable<byte[]> stored)
    {
        List<UserSnapshot> users = [];
        List<MirrorSnapshot> mirrors = [];
        foreach (var bytes in stored)
            Parse(bytes, users, mirrors);
        return new StoredSnapshots([.. users.OrderBy(snapshot => snapshot.Id)], [.. mirrors.OrderBy(snapshot => snapshot.Id)]);
    }

    private static void Parse(byte[] bytes, List<UserSnapshot> users, List<MirrorSnapshot> mirrors)
    {
        var snapshot = new EncodedReader(bytes).ReadStructure(out var compatible);
        if (compatible < Nautilus)
            return;
        var (id, name, size) = (snapshot.ReadUInt64(), snapshot.ReadText(), snapshot.ReadUInt64());
        // Protection and flags.
        snapshot.ReadByte();
        snapshot.ReadUInt64();
        var kind = snapshot.ReadStructure(out _);
        var takenAt = DateTimeOffset.UnixEpoch.AddSeconds(snapshot.ReadUInt32()).AddTicks(snapshot.ReadUInt32() / TimeSpan.NanosecondsPerTick);
        switch (kind.ReadUInt32())
        {
            case UserType:
                users.Add(new UserSnapshot(id, name, size, takenAt));
                break;
            case MirrorType:
                var (state, isComplete) = ((MirrorSnapshotState)kind.ReadByte(), kind.ReadByte() != 0);
                var peers = new string[Math.Min(kind.ReadUInt32(), (uint)bytes.Length)];
                for (var i = 0; i < peers.Length; i++)
                    peers[i] = kind.ReadText();
                mirrors.Add(new MirrorSnapshot(id, state, isComplete, kind.ReadText(), kind.ReadUInt64(), peers, kind.ReadUInt64(), takenAt));
                break;
            // Of groups, or kept for a clone.
            default:
                break;
        }
    }
}
