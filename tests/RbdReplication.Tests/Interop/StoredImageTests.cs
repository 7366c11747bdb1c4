using RbdReplication.Ceph;
using RbdReplication.Ceph.Interop;

namespace RbdReplication.Tests.Interop;

public sealed class StoredImageTests
{
    private static readonly DateTimeOffset TakenAt = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);
    private static readonly byte[] Features = [5, 0, 0, 0, 0, 0, 0, 0];

    [Fact]
    public void Features_and_mirror_snapshots_are_taken_from_a_header_and_all_else_is_left()
    {
        var image = StoredImage.Parse(new Dictionary<string, byte[]>
        {
            ["features"] = Features,
            ["metadata_snapshot_1"] = [1, 2, 3],
            ["snapshot_0000000000000009"] = Snapshot(9, MirrorSnapshotState.Primary),
            ["snapshot_0000000000000004"] = Snapshot(4, MirrorSnapshotState.NonPrimaryDemoted),
            ["snap_seq"] = [9],
        });
        Assert.Equal(ImageFeatures.Layering | ImageFeatures.ExclusiveLock, image.Features);
        Assert.Equal([(4ul, MirrorSnapshotState.NonPrimaryDemoted), (9ul, MirrorSnapshotState.Primary)], image.Snapshots.Mirrors.Select(snapshot => (snapshot.Id, snapshot.State)));
        Assert.Equal(TakenAt.AddTicks(5), image.Snapshots.Mirrors[1].TakenAt);
        Assert.Equal(["peer"], image.Snapshots.Mirrors[1].MirrorPeerUuids);
        Assert.Empty(image.Snapshots.Users);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(new byte[] { 5, 0, 0, 0 })]
    public void A_header_without_features_is_none_that_is_understood(byte[]? features)
    {
        Dictionary<string, byte[]> header = [];
        if (features is not null)
            header["features"] = features;
        Assert.Throws<FormatException>(() => StoredImage.Parse(header));
    }

    [Fact]
    public void A_snapshot_that_ends_too_early_is_none_either() =>
        Assert.Throws<FormatException>(() => StoredImage.Parse(new Dictionary<string, byte[]> { ["features"] = Features, ["snapshot_0000000000000001"] = Snapshot(1, MirrorSnapshotState.Primary)[..40] }));

    // cls_rbd_snap with a SnapshotNamespace of a mirror snapshot, as 16.2 writes it.
    private static byte[] Snapshot(uint id, MirrorSnapshotState state) => new EncodedWriter().WriteStructure(8, new EncodedWriter()
        .WriteUInt32(id).WriteUInt32(0).WriteText(".mirror.primary").WriteUInt32(4096).WriteUInt32(0)
        .WriteByte(0).WriteUInt32(0).WriteUInt32(0)
        .WriteStructure(1, new EncodedWriter()
            .WriteUInt32(3).WriteByte((byte)state).WriteByte(1).WriteUInt32(1).WriteText("peer").WriteText("").WriteUInt32(uint.MaxValue - 1).WriteUInt32(uint.MaxValue)
            .WriteUInt32(0).WriteUInt32(0))
        .WriteUInt32((uint)TakenAt.ToUnixTimeSeconds()).WriteUInt32(500).WriteUInt32(0)).ToArray();
}
