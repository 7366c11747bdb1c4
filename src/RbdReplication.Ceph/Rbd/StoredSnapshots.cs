using System.Buffers.Binary;
using System.Globalization;
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
    /// <summary>All that are no mirror snapshots, oldest first: those of users, and others that are kept for clones or belong to an RBD group's.</summary>
    public IReadOnlyList<StoredSnapshot> Others { get; init; } = [];

    /// <summary>
    /// Those of <see cref="Others"/> that came with a copy which is not complete, oldest first: what they hold is partly of the peer's and partly older.
    /// </summary>
    public IReadOnlyList<StoredSnapshot> OfIncompleteCopy
    {
        get
        {
            if (Mirrors is not [.., { State: MirrorSnapshotState.NonPrimary, IsComplete: false } newest])
                return [];
            var whole = Mirrors.LastOrDefault(snapshot => snapshot.State != MirrorSnapshotState.NonPrimary || snapshot.IsComplete);
            return [.. Others.Where(snapshot => snapshot.Id > (whole?.Id ?? 0) && snapshot.Id < newest.Id)];
        }
    }

    /// <summary>What the keys of snapshots in the header begin with.</summary>
    internal const string KeyPrefix = "snapshot_";

    // Before Nautilus there was more in front of what is read here, and no mirror snapshots.
    private const byte Nautilus = 8;

    // Of a structure: two versions, and the length of what follows.
    private const int StructureHead = 2 + sizeof(uint);

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

    /// <summary>
    /// Has a copy that is at this site count as an incomplete one of any snapshot of the peer's, which is what librbd rolls back: its state and completeness are
    /// changed in the image's header, two bytes, if the entry is what it was. A client that has the image open does not hear of it.
    /// </summary>
    /// <exception cref="CephException">ECANCELED: somebody has changed the snapshot, or removed it.</exception>
    /// <exception cref="FormatException">It is not encoded as expected.</exception>
    public static Task MakeIncompleteAsync(RadosPool pool, string imageId, MirrorSnapshot snapshot, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pool);
        ArgumentNullException.ThrowIfNull(snapshot);
        return ReplaceAsync(pool, imageId, snapshot.Id, before => AsIncompleteCopy(before, snapshot.State, snapshot.IsComplete), cancellationToken);
    }

    /// <summary>
    /// The same of a snapshot that is no mirror snapshot: it becomes one like <paramref name="copy"/>, and is unprotected. Its name and all that belongs to it stay.
    /// </summary>
    /// <param name="pool">Pool and rados namespace.</param>
    /// <param name="imageId">The image.</param>
    /// <param name="snapshot">The snapshot.</param>
    /// <param name="copy">An incomplete copy of the same image.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="CephException">ECANCELED: somebody has changed one of them, or removed it.</exception>
    /// <exception cref="FormatException">It is not encoded as expected.</exception>
    public static async Task MakeIncompleteAsync(RadosPool pool, string imageId, StoredSnapshot snapshot, MirrorSnapshot copy, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pool);
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentNullException.ThrowIfNull(copy);
        var like = await pool.ReadOmapValueAsync(StoredMetadata.ObjectOf(imageId), KeyOf(copy.Id), cancellationToken).ConfigureAwait(false);
        await ReplaceAsync(pool, imageId, snapshot.Id, before => like is null ? null : AsIncompleteCopy(before, like), cancellationToken).ConfigureAwait(false);
    }

    private static string KeyOf(ulong snapshotId) => string.Create(CultureInfo.InvariantCulture, $"{KeyPrefix}{snapshotId:x16}");

    private static async Task ReplaceAsync(RadosPool pool, string imageId, ulong snapshotId, Func<byte[], byte[]?> change, CancellationToken cancellationToken)
    {
        var (header, key) = (StoredMetadata.ObjectOf(imageId), KeyOf(snapshotId));
        if (await pool.ReadOmapValueAsync(header, key, cancellationToken).ConfigureAwait(false) is not { } before || change(before) is not { } after)
            throw new CephException(Errno.ECANCELED, "rados_write_op_omap_cmp2", pool.SpecOf(header), $"snapshot {snapshotId} was changed at the same moment");
        await pool.WriteAsync(header, new ObjectWrite().ReplaceOmap(key, before, after).EvenIfFull(), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The entry of a snapshot with the kind of another one, and unprotected; null: it is a mirror snapshot itself.</summary>
    internal static byte[]? AsIncompleteCopy(byte[] stored, byte[] copy)
    {
        var (own, other) = (KindIn(stored), KindIn(copy));
        if (Parse([stored]).Others.Count == 0 || Parse([copy]).Mirrors is not [{ State: MirrorSnapshotState.NonPrimary, IsComplete: false }])
            return null;
        byte[] changed = [.. stored.AsSpan(0, own.Start.Value), .. copy.AsSpan(other), .. stored.AsSpan(own.End.Value)];
        BinaryPrimitives.WriteUInt32LittleEndian(changed.AsSpan(StructureHead - sizeof(uint)), (uint)(changed.Length - StructureHead));
        changed[own.Start.Value - sizeof(ulong) - 1] = 0;
        return changed;
    }

    // The structure that says of which kind a snapshot is; protection and flags come before it.
    private static Range KindIn(byte[] stored)
    {
        var snapshot = new EncodedReader(stored).ReadStructure(out _);
        ReadHead(ref snapshot);
        var start = snapshot.OffsetIn(stored);
        snapshot.ReadStructure(known: 1);
        return start..snapshot.OffsetIn(stored);
    }

    /// <summary>The entry of a mirror snapshot as an incomplete copy of any snapshot of the peer's; null: it is of another kind than is said.</summary>
    internal static byte[]? AsIncompleteCopy(byte[] stored, MirrorSnapshotState state, bool isComplete)
    {
        if (Parse([stored]).Mirrors is not [var own] || (own.State, own.IsComplete) != (state, isComplete))
            return null;
        var offset = KindIn(stored).Start.Value + StructureHead + sizeof(uint);
        var changed = (byte[])stored.Clone();
        (changed[offset], changed[offset + 1]) = ((byte)MirrorSnapshotState.NonPrimary, 0);
        return changed;
    }

    internal static StoredSnapshots Parse(IEnumerable<byte[]> stored)
    {
        List<UserSnapshot> users = [];
        List<MirrorSnapshot> mirrors = [];
        List<StoredSnapshot> others = [];
        foreach (var bytes in stored)
            Parse(bytes, users, mirrors, others);
        return new StoredSnapshots([.. users.OrderBy(snapshot => snapshot.Id)], [.. mirrors.OrderBy(snapshot => snapshot.Id)])
        {
            Others = [.. others.OrderBy(snapshot => snapshot.Id)],
        };
    }

    private static void Parse(byte[] bytes, List<UserSnapshot> users, List<MirrorSnapshot> mirrors, List<StoredSnapshot> others)
    {
        var snapshot = new EncodedReader(bytes).ReadStructure(out var compatible);
        if (compatible < Nautilus)
            return;
        if (compatible > Nautilus)
            throw new FormatException($"a snapshot can be read by version {compatible} only");
        var (id, name, size, isProtected, _) = ReadHead(ref snapshot);
        var kind = snapshot.ReadStructure(known: 1);
        var takenAt = DateTimeOffset.UnixEpoch.AddSeconds(snapshot.ReadUInt32()).AddTicks(snapshot.ReadUInt32() / TimeSpan.NanosecondsPerTick);
        var clones = snapshot.ReadUInt32();
        var type = kind.ReadUInt32();
        if (type != MirrorType)
            others.Add(new StoredSnapshot(id, name, isProtected, clones));
        switch (type)
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

    private static (ulong Id, string Name, ulong Size, bool IsProtected, ulong Flags) ReadHead(ref EncodedReader snapshot) =>
        (snapshot.ReadUInt64(), snapshot.ReadText(), snapshot.ReadUInt64(), snapshot.ReadByte() != 0, snapshot.ReadUInt64());
}
