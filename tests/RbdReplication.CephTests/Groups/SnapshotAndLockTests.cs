using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Groups;

/// <summary>What the barrier is made of: user snapshots, the exclusive lock, and the watch by which snapshots are announced.</summary>
public sealed class SnapshotAndLockTests(TwoSites sites)
{
    private static readonly byte[] Old = [.. Enumerable.Repeat((byte)1, 512)];
    private static readonly byte[] New = [.. Enumerable.Repeat((byte)2, 512)];

    private static CancellationToken None => CancellationToken.None;

    private Task<TestVolume> CreateAsync() => TestVolume.CreateAsync(sites.A, features: ImageFeatures.Layering | ImageFeatures.ExclusiveLock);

    [Fact]
    public async Task User_snapshots_are_taken_listed_renamed_rolled_back_to_and_removed()
    {
        var volume = await CreateAsync();
        await volume.WriteAsync(sites.A, 0, Old);
        await using var image = await volume.OpenAsync(sites.A, readOnly: false);
        await image.Snapshots.CreateAsync("first", None);
        await image.Snapshots.CreateAsync("second", None);
        await image.Snapshots.RenameAsync("second", "third", None);
        var listed = await image.Snapshots.ListAsync(None);
        Assert.Equal(["first", "third"], listed.Select(snapshot => snapshot.Name));
        Assert.All(listed, snapshot => Assert.Equal(TestVolume.SizeBytes, snapshot.SizeBytes));
        Assert.True(listed[0].Id < listed[1].Id);
        Assert.Equal(Errno.EEXIST, await ErrnoAsync(() => image.Snapshots.CreateAsync("first", None)));
        Assert.Equal(Errno.EEXIST, await ErrnoAsync(() => image.Snapshots.RenameAsync("first", "third", None)));
        Assert.Equal(Errno.ENOENT, await ErrnoAsync(() => image.Snapshots.RenameAsync("second", "fourth", None)));

        await volume.WriteAsync(sites.A, 0, New);
        for (var i = 0; i < 2; i++)
            await image.Snapshots.RollBackAsync("first", _ => { }, None);
        Assert.Equal(Old, await volume.ReadAsync(sites.A, 0, Old.Length));
        await image.Snapshots.RemoveAsync("first", None);
        Assert.Equal(Errno.ENOENT, await ErrnoAsync(() => image.Snapshots.RemoveAsync("first", None)));
        Assert.Equal(Errno.ENOENT, await ErrnoAsync(() => image.Snapshots.RollBackAsync("first", _ => { }, None)));
        Assert.Equal("third", Assert.Single(await image.Snapshots.ListAsync(None)).Name);
    }

    [Fact]
    public async Task The_lock_goes_to_whoever_takes_it_and_the_other_writes_on_afterwards()
    {
        var volume = await CreateAsync();
        await using var other = await OtherClient.ConnectAsync(sites.A);
        await using var theirs = await other.OpenAsync(volume.ImageName);
        await using var ours = await volume.OpenAsync(sites.A, readOnly: false);
        Assert.Empty(await ours.Lock.ListOwnersAsync(None));
        await theirs.WriteAsync(0, Old, None);
        Assert.Equal([await AddressAsync(theirs)], await ours.Lock.ListOwnersAsync(None));
        await ours.Lock.TakeAsync(None);
        Assert.Equal([await AddressAsync(ours)], await ours.Lock.ListOwnersAsync(None));
        await theirs.WriteAsync(0, New, None);
        Assert.Equal([await AddressAsync(theirs)], await ours.Lock.ListOwnersAsync(None));
    }

    [Theory]
    [InlineData(Errno.None)]
    [InlineData(Errno.ECANCELED)]
    public async Task A_snapshot_of_anybody_waits_for_the_answer_of_whoever_watches(Errno answer)
    {
        var volume = await CreateAsync();
        await using var other = await OtherClient.ConnectAsync(sites.A);
        await using var theirs = await other.OpenAsync(volume.ImageName);
        await using var ours = await volume.OpenAsync(sites.A, readOnly: false);
        var watch = QuiesceWatch.Set(ours);
        var taken = theirs.Snapshots.CreateAsync("first", None);
        await watch.Noticed;
        Assert.False(taken.IsCompleted);
        Assert.Empty(await ours.Snapshots.ListAsync(None));
        watch.Answer(answer);
        watch.Answer(Errno.EIO);
        Assert.Equal(answer, await ErrnoAsync(() => taken));
        // One that comes late is answered in the same way.
        Assert.Equal(answer, await ErrnoAsync(() => theirs.Snapshots.CreateAsync("second", None)));
        Assert.Equal(2, watch.Notices);
        await watch.DisposeAsync();
        await theirs.Snapshots.CreateAsync("third", None);
        Assert.Equal(2, watch.Notices);
        Assert.Equal(answer == Errno.None ? ["first", "second", "third"] : ["third"], (await ours.Snapshots.ListAsync(None)).Select(snapshot => snapshot.Name));
    }

    [Fact]
    public async Task A_writer_that_wants_the_lock_of_a_snapshot_that_waits_gets_it_when_that_is_taken()
    {
        var volume = await CreateAsync();
        await using var other = await OtherClient.ConnectAsync(sites.A);
        var theirs = await other.OpenAsync(volume.ImageName);
        await theirs.WriteAsync(0, Old, None);
        await using var ours = await volume.OpenAsync(sites.A, readOnly: false);
        var watch = QuiesceWatch.Set(ours);
        await ours.Lock.TakeAsync(None);
        var taken = ours.Snapshots.CreateAsync("old", None);
        await watch.Noticed;
        var written = theirs.WriteAsync(0, New, None);
        // It has asked for the lock and waits, and the owner is the same.
        await Task.WhenAny(written, Task.Delay(TimeSpan.FromSeconds(1)));
        Assert.False(written.IsCompleted);
        Assert.Equal([await AddressAsync(ours)], await ours.Lock.ListOwnersAsync(None));
        watch.Answer(Errno.None);
        await taken;
        await written;
        await watch.DisposeAsync();
        Assert.Equal(New, await volume.ReadAsync(sites.A, 0, New.Length));
        // Not under a client that has the lock.
        Assert.Equal(Errno.EROFS, await ErrnoAsync(() => ours.Snapshots.RollBackAsync("old", _ => { }, None)));
        await theirs.DisposeAsync();
        await ours.Snapshots.RollBackAsync("old", _ => { }, None);
        Assert.Equal(Old, await volume.ReadAsync(sites.A, 0, Old.Length));
    }

    private static async Task<string> AddressAsync(RbdImage image) =>
        (await image.ListWatchersAsync(None)).Single(watcher => watcher.ClientId == (long)image.Pool.Cluster.InstanceId).Address;

    private static async Task<Errno> ErrnoAsync(Func<Task> call) => (await Record.ExceptionAsync(call) as CephException)?.Errno ?? Errno.None;
}
