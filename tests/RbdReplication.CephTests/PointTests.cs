using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests;

/// <summary>Consistency points of single volumes, taken by command.</summary>
public sealed class PointTests(TwoSites sites)
{
    private async Task<TestVolume> ProtectAsync()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        return volume;
    }

    private static async Task<IReadOnlyList<UserSnapshot>> UsersAsync(Site site, TestVolume volume)
    {
        await using var image = await volume.OpenAsync(site);
        return await image.Snapshots.ListAsync(CancellationToken.None);
    }

    private static async Task<string[]> NamesAsync(Site site, TestVolume volume) =>
        [.. (await UsersAsync(site, volume)).Select(snapshot => PointName.Parse(snapshot.Name)!.Value.Name)];

    [Fact]
    public async Task A_point_is_whole_at_the_peer_and_is_taken_once_by_its_name()
    {
        var volume = await ProtectAsync();
        var point = await PointRun.TakeAsync(sites.A, volume, "before-upgrade", "--wait");
        Assert.Equal("before-upgrade", point.Name);
        Assert.Equal(["site-b"], point.HeldBy);
        Assert.Empty(point.AwaitedBy);
        Assert.True(point is { IsTakenHere: true, IsWhole: true });
        var there = Assert.Single(await PointRun.ListAsync(sites.B, volume));
        Assert.True(there is { Name: "before-upgrade", IsTakenHere: false, IsWhole: true });

        var chain = await volume.ChainAsync(sites.A);
        Assert.Equal(point.TakenAt, (await PointRun.TakeAsync(sites.A, volume, "before-upgrade")).TakenAt);
        Assert.Equal(chain.Newest!.Id, (await volume.ChainAsync(sites.A)).Newest!.Id);
        Assert.Equal(["before-upgrade"], await NamesAsync(sites.A, volume));
    }

    [Fact]
    public async Task A_point_without_a_name_has_the_time_for_one_and_is_shown_as_it_is_when_the_mirror_snapshots_around_it_are_gone()
    {
        var volume = await ProtectAsync();
        var (exitCode, output, error) = await PointRun.RunAsync(sites.A, volume, "point", "--wait");
        Assert.True(exitCode == 0 || error.Contains("; retry", StringComparison.Ordinal), error);
        Assert.Matches(exitCode == 0 ? $@"^point \d{{8}}-\d{{6}} of volume {volume.Handle}: taken .* UTC, whole at site-b" : "^$", output);
        await PointRun.TakeAsync(sites.A, volume, "last", "--wait");
        // One that no peer needs any more goes with the next that is taken; the peer's daemon is seldom in time to see to it.
        await volume.TakeSnapshotAsync(sites.A);
        var newest = (await UsersAsync(sites.A, volume)).Max(point => point.Id);
        await Eventually.TrueAsync(async () => (await volume.ChainAsync(sites.A)).Snapshots.All(snapshot => snapshot.Id > newest), "none is left that is older than a point");
        await Eventually.TrueAsync(
            async () => await PointRun.ListAsync(sites.A, volume) is [_, _] points && points.All(point => point is { IsTakenHere: true, IsWhole: true, HeldBy: ["site-b"] }),
            "both are shown");
    }

    [Fact]
    public async Task The_snapshots_of_an_image_that_is_not_open_are_those_that_librbd_tells()
    {
        var volume = await ProtectAsync();
        await PointRun.TakeAsync(sites.A, volume, "one", "--wait");
        await PointRun.TakeAsync(sites.A, volume, "two", "--wait");
        var clone = "clone-" + volume.Handle.Uuid;
        await using (var image = await volume.OpenAsync(sites.A))
            await SnapshotClone.CreateAsync(sites.A.Pool, volume.ImageName, new PointName("one").ToString(), clone, await CloneShape.OfAsync(image, CancellationToken.None), CancellationToken.None);
        // What is kept for a clone is of neither kind.
        await PointRun.RemoveAsync(sites.A, volume, "one");
        foreach (var site in sites.Both)
        {
            await Eventually.TrueAsync(
                async () =>
                {
                    await using var image = await volume.OpenAsync(site);
                    var (open, stored) = (await MemberSnapshots.ReadAsync(image, CancellationToken.None), (await StoredSnapshots.ReadAsync(site.Pool, image.GetId(), CancellationToken.None))!);
                    return open.Users.SequenceEqual(stored.Users) && open.Mirrors.Count == stored.Mirrors.Count && open.Mirrors.Zip(stored.Mirrors).All(
                        pair => pair.First.MirrorPeerUuids.Order().SequenceEqual(pair.Second.MirrorPeerUuids) && pair.First with { MirrorPeerUuids = pair.Second.MirrorPeerUuids } == pair.Second);
                }, $"they are the same at {site}");
        }
        Assert.Null(await StoredSnapshots.ReadAsync(sites.A.Pool, "no-such-image", CancellationToken.None));
        await RbdImage.RemoveAsync(sites.A.Pool, clone, CancellationToken.None);
    }

    [Fact]
    public async Task A_point_that_was_cut_off_before_its_mirror_snapshot_is_finished_by_its_name()
    {
        var volume = await ProtectAsync();
        await using (var image = await volume.OpenAsync(sites.A, readOnly: false))
            await image.Snapshots.CreateAsync(new PointName("cut-off").ToString(), CancellationToken.None);
        Assert.Empty(await NamesAsync(sites.B, volume));
        await PointRun.TakeAsync(sites.A, volume, "cut-off", "--wait");
        Assert.Equal(["cut-off"], await NamesAsync(sites.B, volume));
    }

    [Fact]
    public async Task Older_points_are_removed_at_both_sites_and_those_with_a_name_of_their_own_stay()
    {
        var volume = await ProtectAsync();
        foreach (var name in (string[])["20260101-000001", "audit", "20260101-000002", "20260101-000003"])
            await PointRun.TakeAsync(sites.A, volume, name, "--keep", "2", "--wait");
        Assert.Equal(["audit", "20260101-000002", "20260101-000003"], await NamesAsync(sites.A, volume));
        await Eventually.TrueAsync(
            async () => (await NamesAsync(sites.B, volume)).SequenceEqual(["audit", "20260101-000002", "20260101-000003"]), "the peer has the same");

        Assert.True(await PointRun.RemoveAsync(sites.A, volume, "audit"));
        Assert.False(await PointRun.RemoveAsync(sites.A, volume, "audit"));
        await PointRun.TakeAsync(sites.A, volume, "20260101-000004", "--keep", "1", "--wait");
        // 3 was all that the peer had when 4 was taken.
        await Eventually.TrueAsync(
            async () => (await NamesAsync(sites.B, volume)).SequenceEqual(["20260101-000003", "20260101-000004"]), "the peer has the same");
    }

    [Fact]
    public async Task What_the_peer_holds_stays_as_long_as_it_holds_nothing_newer()
    {
        var volume = await ProtectAsync();
        await PointRun.TakeAsync(sites.A, volume, "20260101-000001", "--wait");
        await sites.B.StopCopyingAsync(volume);
        foreach (var name in (string[])["20260101-000002", "20260101-000003", "20260101-000004"])
        {
            var point = await PointRun.TakeAsync(sites.A, volume, name, "--keep", "1");
            Assert.Equal(["site-b"], point.AwaitedBy);
        }
        Assert.Equal(["20260101-000001", "20260101-000004"], await NamesAsync(sites.A, volume));
        await sites.B.GoOnCopyingAsync(volume);
        await PointRun.TakeAsync(sites.A, volume, "20260101-000004", "--wait");
        await PointRun.TakeAsync(sites.A, volume, "20260101-000005", "--keep", "1", "--wait");
        Assert.Equal(["20260101-000004", "20260101-000005"], await NamesAsync(sites.A, volume));
    }

    [Fact]
    public async Task A_volume_that_is_disabled_keeps_no_points_at_either_site()
    {
        var volume = await ProtectAsync();
        await PointRun.TakeAsync(sites.A, volume, "audit", "--wait");
        await PointRun.TakeAsync(sites.A, volume, "20260101-000001", "--wait");
        await volume.DisableAsync(sites.A);
        Assert.Empty(await UsersAsync(sites.A, volume));
        // The copy goes with the mirroring of its primary, and what it has with it.
        await Eventually.TrueAsync(
            async () => !(await sites.B.RbdAsync("ls", "--pool", TwoSites.Pool)).Contains(volume.ImageName, StringComparison.Ordinal)
                && !(await sites.B.RbdAsync("trash", "ls", "--all", "--pool", TwoSites.Pool)).Contains(volume.ImageName, StringComparison.Ordinal), "the copy is gone");
    }

    [Fact]
    public async Task A_copy_that_is_disabled_by_force_keeps_no_points_either()
    {
        var volume = await ProtectAsync();
        await PointRun.TakeAsync(sites.A, volume, "audit", "--wait");
        await volume.DisableAsync(sites.B, force: true);
        Assert.Empty(await UsersAsync(sites.B, volume));
    }

    [Fact]
    public async Task Where_an_image_may_have_no_more_snapshots_older_points_make_room()
    {
        var volume = await ProtectAsync();
        // Mirror snapshots count: the one that the peer has, and the next.
        await sites.A.RbdAsync("snap", "limit", "set", sites.A.Pool.SpecOf(volume.ImageName), "--limit", "5");
        var number = 0;
        (int ExitCode, string Output, string Error) last;
        do
        {
            number++;
            last = await PointRun.RunAsync(sites.A, volume, "point", $"20260101-00000{number}", "--wait");
        }
        while (last.ExitCode == 0);
        Assert.InRange(number, 3, 5);
        Assert.Contains("as many snapshots as it may have", last.Error, StringComparison.Ordinal);
        // Mirror snapshots that nobody needs any more go a little later.
        await Eventually.TrueAsync(
            async () => (await PointRun.RunAsync(sites.A, volume, "point", $"20260101-00000{number}", "--keep", "2", "--wait")).ExitCode == 0, "there is room");
        Assert.Equal([$"20260101-00000{number - 1}", $"20260101-00000{number}"], await NamesAsync(sites.A, volume));
    }

    [Fact]
    public async Task Where_no_point_can_be_taken_the_command_says_what_to_do()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        Assert.Contains("replication is not enabled", await PointRun.FailAsync(sites.A, volume, "point"), StringComparison.Ordinal);
        Assert.Empty(await PointRun.ListAsync(sites.A, volume));
        await volume.ProtectAsync(sites.A, sites.B);
        Assert.Contains("take the point at the primary site", await PointRun.FailAsync(sites.B, volume, "point", "p"), StringComparison.Ordinal);
        await PointRun.TakeAsync(sites.A, volume, "p", "--wait");
        Assert.Contains("remove the point at the primary site", await PointRun.FailAsync(sites.B, volume, "point", "p", "--remove"), StringComparison.Ordinal);

        var journal = await TestVolume.CreateAsync(sites.A, features: ImageFeatures.Layering | ImageFeatures.ExclusiveLock | ImageFeatures.Journaling);
        await journal.EnableAsync(sites.A, "journal");
        Assert.Contains("journal mode", await PointRun.FailAsync(sites.A, journal, "point"), StringComparison.Ordinal);

        var group = await ReplicatedGroup.ProtectAsync(sites, 1);
        Assert.Contains("its generations are the points", await PointRun.FailAsync(sites.A, group.Volumes[0], "point"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Points_hinder_no_move_and_the_other_site_goes_on_with_them()
    {
        var volume = await ProtectAsync();
        await PointRun.TakeAsync(sites.A, volume, "before-move", "--wait");
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
        await TestVolume.RetryAsync(() => volume.PromoteAsync(sites.B), "site-b is promoted");
        await volume.AwaitCopyAsync(sites.A);
        await PointRun.TakeAsync(sites.B, volume, "after-move", "--wait");
        Assert.Equal(["before-move", "after-move"], await NamesAsync(sites.A, volume));
        Assert.Equal(["before-move", "after-move"], await NamesAsync(sites.B, volume));
    }

    [Fact]
    public async Task A_forced_promotion_leaves_points_as_they_are()
    {
        var volume = await ProtectAsync();
        await PointRun.TakeAsync(sites.A, volume, "audit", "--wait");
        await volume.WriteAsync(sites.A, 0, [1, 2, 3]);
        await volume.TakeSnapshotAsync(sites.A);
        await Eventually.TrueAsync(async () => (await volume.ReadAsync(sites.B, 0, 3)).SequenceEqual(new byte[] { 1, 2, 3 }), "the data has come");
        await volume.PromoteAsync(sites.B, force: true);
        Assert.Equal(["audit"], await NamesAsync(sites.B, volume));
        // It is not gone back to.
        Assert.Equal([1, 2, 3], await volume.ReadAsync(sites.B, 0, 3));
    }

    [Fact]
    public async Task A_copy_that_is_made_again_has_the_points_again()
    {
        var volume = await ProtectAsync();
        await PointRun.TakeAsync(sites.A, volume, "audit", "--wait");
        var before = await volume.ImageIdAsync(sites.B);
        await sites.B.RbdAsync("mirror", "image", "resync", sites.B.Pool.SpecOf(volume.ImageName));
        await Eventually.TrueAsync(async () => await volume.ImageIdAsync(sites.B) != before, "the copy is another one");
        await volume.AwaitCopyAsync(sites.B);
        Assert.True(Assert.Single(await PointRun.ListAsync(sites.B, volume)) is { Name: "audit", IsWhole: true });
    }
}
