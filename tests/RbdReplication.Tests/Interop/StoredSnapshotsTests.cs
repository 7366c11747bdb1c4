using RbdReplication.Ceph;
using RbdReplication.Ceph.Interop;

namespace RbdReplication.Tests.Interop;

public sealed class StoredSnapshotsTests
{
    private const byte Version = 8;

    [Fact]
    public void Those_that_came_with_an_incomplete_copy_lie_between_it_and_what_it_is_rolled_back_to()
    {
        var stored = Read(User(2), Mirror(4, MirrorSnapshotState.NonPrimary, isComplete: true), User(7), Mirror(8, MirrorSnapshotState.NonPrimary, false), User(9, clones: 1), Mirror(10, MirrorSnapshotState.NonPrimary, false), User(11));
        Assert.Equal([(7, 0), (9, 1)], stored.OfIncompleteCopy.Select(snapshot => ((int)snapshot.Id, (int)snapshot.Clones)));
        Assert.Equal([2u, 7, 9, 11], stored.Users.Select(snapshot => snapshot.Id));
    }

    [Theory]
    [InlineData(MirrorSnapshotState.NonPrimary, true)]
    [InlineData(MirrorSnapshotState.Primary, true)]
    [InlineData(MirrorSnapshotState.Primary, false)]
    [InlineData(MirrorSnapshotState.NonPrimaryDemoted, false)]
    public void Nothing_is_in_the_way_where_librbd_does_not_roll_back(MirrorSnapshotState state, bool isComplete) =>
        Assert.Empty(Read(Mirror(4, MirrorSnapshotState.NonPrimary, isComplete: true), User(7), Mirror(8, state, isComplete)).OfIncompleteCopy);

    [Theory]
    [InlineData(MirrorSnapshotState.NonPrimaryDemoted, false)]
    [InlineData(MirrorSnapshotState.NonPrimary, true)]
    public void A_mirror_snapshot_becomes_an_incomplete_copy_and_all_else_of_it_stays(MirrorSnapshotState state, bool isComplete)
    {
        var before = Mirror(8, state, isComplete);
        Assert.Equal(Mirror(8, MirrorSnapshotState.NonPrimary, isComplete: false), StoredSnapshots.AsIncompleteCopy(before, state, isComplete));
        Assert.Equal(Mirror(8, state, isComplete), before);
    }

    [Fact]
    public void One_that_was_changed_meanwhile_or_is_no_mirror_snapshot_is_left_as_it_is()
    {
        Assert.Null(StoredSnapshots.AsIncompleteCopy(Mirror(8, MirrorSnapshotState.NonPrimaryDemoted, isComplete: true), MirrorSnapshotState.NonPrimaryDemoted, isComplete: false));
        Assert.Null(StoredSnapshots.AsIncompleteCopy(Mirror(8, MirrorSnapshotState.Primary, isComplete: true), MirrorSnapshotState.NonPrimary, isComplete: true));
        Assert.Null(StoredSnapshots.AsIncompleteCopy(User(8), MirrorSnapshotState.NonPrimary, isComplete: true));
    }

    [Fact]
    public void Another_snapshot_becomes_a_copy_like_an_incomplete_one_and_keeps_all_else()
    {
        var copy = Mirror(8, MirrorSnapshotState.NonPrimary, isComplete: false);
        var changed = StoredSnapshots.AsIncompleteCopy(User(7, isProtected: true), copy)!;
        var stored = Read(changed, copy);
        Assert.Empty(stored.Others);
        Assert.Equal(stored.Mirrors[1] with { Id = 7, MirrorPeerUuids = stored.Mirrors[0].MirrorPeerUuids }, stored.Mirrors[0]);
        Assert.Equal(Snapshot(7, MirrorKind(MirrorSnapshotState.NonPrimary, isComplete: false), 0), changed);
        Assert.Null(StoredSnapshots.AsIncompleteCopy(copy, copy));
        Assert.Null(StoredSnapshots.AsIncompleteCopy(User(7), Mirror(8, MirrorSnapshotState.NonPrimary, isComplete: true)));
    }

    private static StoredSnapshots Read(params byte[][] stored) => StoredSnapshots.Parse(stored);

    private static byte[] User(ulong id, uint clones = 0, bool isProtected = false) => Snapshot(id, new EncodedWriter().WriteUInt32(0), clones, isProtected);

    private static byte[] Mirror(ulong id, MirrorSnapshotState state, bool isComplete) => Snapshot(id, MirrorKind(state, isComplete), 0);

    private static EncodedWriter MirrorKind(MirrorSnapshotState state, bool isComplete) => new EncodedWriter()
        .WriteUInt32(3).WriteByte((byte)state).WriteByte(isComplete ? (byte)1 : (byte)0)
        .WriteUInt32(1).WriteText("peer").WriteText("primary").WriteUInt32(5).WriteUInt32(0).WriteUInt32(0).WriteUInt32(0);

    // Id, name, size, protection, flags, what kind it is, when it was taken, how many clones it has.
    private static byte[] Snapshot(ulong id, EncodedWriter kind, uint clones, bool isProtected = false) => new EncodedWriter().WriteStructure(
        Version, new EncodedWriter().WriteUInt32((uint)id).WriteUInt32(0).WriteText($"snapshot {id}").WriteUInt32(4096).WriteUInt32(0).WriteByte(isProtected ? (byte)2 : (byte)0)
            .WriteUInt32(0).WriteUInt32(0).WriteStructure(1, kind).WriteUInt32(1_790_000_000).WriteUInt32(0).WriteUInt32(clones)).ToArray();
}
