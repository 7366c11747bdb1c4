using System.Text.Json;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using RbdReplication.Csi.Protocol;

namespace RbdReplication.CephTests;

/// <summary>Consistency points of single volumes that the class asks for.</summary>
public sealed class PointScheduleTests(TwoSites sites)
{
    private static readonly Dictionary<string, string> TwoPoints = new() { ["schedulingInterval"] = "1m", ["consistencyPoints"] = "2" };
    private static readonly Dictionary<string, string> NoPoints = new() { ["schedulingInterval"] = "1m" };

    private static Task CallAsync(ServerProcess server, Site site, TestVolume volume, string rpc, Dictionary<string, string> parameters) =>
        Rpc.CallAsync(server.Replication, rpc, new() { Source = volume.Source, Secrets = site.Secrets, Parameters = parameters });

    private async Task<TestVolume> ProtectAsync(ServerProcess server)
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await CallAsync(server, sites.A, volume, Rpc.Enable, TwoPoints);
        await CallAsync(server, sites.A, volume, Rpc.Promote, TwoPoints);
        return volume;
    }

    private static async Task<ConsistencyPoint[]> PointsAsync(Site site, TestVolume volume)
    {
        await using var image = await volume.OpenAsync(site);
        return [.. PointRules.List(await MemberSnapshots.ReadAsync(image, CancellationToken.None), [])];
    }

    private static async Task<string[]> NamesAsync(Site site, TestVolume volume) => [.. (await PointsAsync(site, volume)).Select(point => point.Name.Name)];

    private static async Task<PointPlan?> PlanAsync(Site site, TestVolume volume)
    {
        var id = await volume.ImageIdAsync(site);
        return (await PointPlans.ListAsync(volume.PoolAt(site), [id], CancellationToken.None)).GetValueOrDefault(id);
    }

    /// <summary>Waits until a site has so many points of different minutes, and notes them.</summary>
    private static async Task<SortedSet<string>> AwaitPointsAsync(Site site, TestVolume volume, int count)
    {
        SortedSet<string> seen = [];
        await Eventually.TrueAsync(
            async () =>
            {
                seen.UnionWith(await NamesAsync(site, volume));
                return seen.Count >= count;
            }, $"{site} has seen {count} points");
        return seen;
    }

    [Fact]
    public async Task Each_sync_on_schedule_takes_a_point_that_is_whole_at_the_peer_and_so_many_are_kept()
    {
        await using var server = await sites.A.StartServerAsync($"points-{Guid.NewGuid():N}"[..20]);
        var volume = await ProtectAsync(server);
        // The manager takes none.
        Assert.Null(await VolumeState.ScheduleAsync(sites.A, volume));
        await volume.AwaitCopyAsync(sites.B);
        await AwaitPointsAsync(sites.A, volume, 3);
        await Eventually.TrueAsync(
            async () => await PointsAsync(sites.B, volume) is { Length: 2 } there && there.All(point => point is { IsWhole: true, IsTakenHere: false })
                && (await NamesAsync(sites.A, volume)).SequenceEqual(there.Select(point => point.Name.Name)), "both sites have the same two");

        // It is shown as any schedule is.
        var info = await server.Replication.GetVolumeReplicationInfoAsync(new() { ReplicationSource = volume.Source, Secrets = { sites.A.Secrets } });
        Assert.Equal(GetVolumeReplicationInfoResponse.Types.Status.Healthy, info.Status);
        Assert.DoesNotContain("no snapshot schedule", info.StatusMessage, StringComparison.Ordinal);
        var (_, output, _) = await StatusRun.RunAsync(sites.A, "-o", "json", "--cluster-id", sites.A.Name);
        var shown = JsonDocument.Parse(output).RootElement.GetProperty("volumes").EnumerateArray().Single(one => one.GetProperty("image").GetString() == volume.ImageName);
        Assert.Equal(["1m"], shown.GetProperty("schedules").EnumerateArray().Select(one => one.GetString()));
        Assert.DoesNotContain("no snapshot schedule", shown.GetProperty("message").GetString()!, StringComparison.Ordinal);
        var taken = (await Scrape.OfAsync(server)).Of("rbd_replication_volume_points_total", ("result", "Taken"));
        Assert.True(Assert.Single(taken).Value >= 3);
        Assert.Contains("Consistency point", server.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_two_servers_one_takes_the_point_that_is_due()
    {
        await using var first = await sites.A.StartServerAsync($"first-{Guid.NewGuid():N}"[..20]);
        await using var second = await sites.A.StartServerAsync($"second-{Guid.NewGuid():N}"[..20]);
        var volume = await ProtectAsync(first);
        await CallAsync(second, sites.A, volume, Rpc.Promote, TwoPoints);
        var seen = await AwaitPointsAsync(sites.A, volume, 3);
        // One a minute, however many servers there are; the first is taken at once.
        Assert.Equal(seen.Count - 1, seen.Skip(1).Select(name => name[..^2]).Distinct().Count());
        Assert.DoesNotContain("No consistency point", first.Log + second.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_point_that_another_server_takes_keeps_no_call_from_the_volume()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        var other = new VolumeLocks("another", TimeProvider.System, prefix: PointSchedule.LockPrefix);
        await using (await other.TakeAsync(sites.A.Pool, volume.Handle, "take a consistency point", () => { }, CancellationToken.None))
        {
            await CallAsync(sites.A.Server, sites.A, volume, Rpc.Enable, TwoPoints);
            await CallAsync(sites.A.Server, sites.A, volume, Rpc.Promote, TwoPoints);
            await volume.AwaitCopyAsync(sites.B);
            await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "it is demoted");
            await TestVolume.RetryAsync(() => CallAsync(sites.A.Server, sites.A, volume, Rpc.Promote, TwoPoints), "it is promoted again");
            Assert.Empty(await NamesAsync(sites.A, volume));
        }
        await AwaitPointsAsync(sites.A, volume, 1);
    }

    [Fact]
    public async Task After_a_restart_a_call_for_the_info_is_enough_to_go_on()
    {
        var first = await sites.A.StartServerAsync($"first-{Guid.NewGuid():N}"[..20]);
        var volume = await ProtectAsync(first);
        await AwaitPointsAsync(sites.A, volume, 1);
        await volume.AwaitCopyAsync(sites.B);
        first.Kill();
        await first.WaitForExitAsync();
        await first.DisposeAsync();
        await using var second = await sites.A.StartServerAsync($"second-{Guid.NewGuid():N}"[..20]);
        await TestVolume.RetryAsync(() => CallAsync(second, sites.A, volume, Rpc.GetInfo, []), "there is an info");
        await AwaitPointsAsync(sites.A, volume, 2);
    }

    [Fact]
    public async Task A_class_that_is_changed_back_has_the_manager_take_the_snapshots_again()
    {
        var volume = await ProtectAsync(sites.A.Server);
        await AwaitPointsAsync(sites.A, volume, 1);
        Assert.Equal(("1m", null, 2), (await PlanAsync(sites.A, volume)) is { } plan ? (plan.Schedule.Interval, plan.Schedule.StartTime, plan.Keep) : default);
        await CallAsync(sites.A.Server, sites.A, volume, Rpc.Promote, NoPoints);
        Assert.Equal("1m from midnight", await VolumeState.ScheduleAsync(sites.A, volume));
        Assert.Null(await PlanAsync(sites.A, volume));
        var before = await NamesAsync(sites.A, volume);
        // Points that are there stay, and no more come with the manager's.
        var newest = (await volume.ChainAsync(sites.A)).Newest!.Id;
        await Eventually.TrueAsync(async () => (await volume.ChainAsync(sites.A)).Newest!.Id > newest, "the manager takes one");
        Assert.Equal(before, await NamesAsync(sites.A, volume));

        await CallAsync(sites.A.Server, sites.A, volume, Rpc.Promote, TwoPoints);
        Assert.Null(await VolumeState.ScheduleAsync(sites.A, volume));
        Assert.NotNull(await PlanAsync(sites.A, volume));
    }

    [Fact]
    public async Task A_volume_that_moves_has_its_points_taken_where_it_is_primary()
    {
        var volume = await ProtectAsync(sites.A.Server);
        await AwaitPointsAsync(sites.A, volume, 1);
        await volume.AwaitCopyAsync(sites.B);
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
        Assert.Null(await PlanAsync(sites.A, volume));
        var there = await NamesAsync(sites.B, volume);
        await TestVolume.RetryAsync(() => CallAsync(sites.B.Server, sites.B, volume, Rpc.Promote, TwoPoints), "site-b is promoted");
        await Eventually.TrueAsync(async () => (await NamesAsync(sites.B, volume)).Except(there).Any(), "site-b takes its own");
        var newest = (await NamesAsync(sites.B, volume)).Last();
        await Eventually.TrueAsync(async () => (await NamesAsync(sites.A, volume)).Contains(newest), "and site-a gets it");
    }

    [Fact]
    public async Task A_volume_that_is_disabled_leaves_neither_points_nor_plan()
    {
        var volume = await ProtectAsync(sites.A.Server);
        await AwaitPointsAsync(sites.A, volume, 1);
        await volume.AwaitCopyAsync(sites.B);
        await TestVolume.RetryAsync(() => volume.DisableAsync(sites.A), "it is disabled");
        Assert.Empty(await PointsAsync(sites.A, volume));
        Assert.Null(await PlanAsync(sites.A, volume));
    }

    [Fact]
    public async Task A_volume_that_is_replicated_in_a_group_has_generations_in_the_place_of_points()
    {
        var group = await ReplicatedGroup.CreateAsync(sites, 1);
        var volume = group.Volumes[0];
        await CallAsync(sites.A.Server, sites.A, volume, Rpc.Enable, TwoPoints);
        await CallAsync(sites.A.Server, sites.A, volume, Rpc.Promote, TwoPoints);
        await AwaitPointsAsync(sites.A, volume, 1);
        await group.RetryAsync(sites.A, Rpc.Enable);
        Assert.Null(await PlanAsync(sites.A, volume));
        Assert.Null(await VolumeState.ScheduleAsync(sites.A, volume));
        await group.RetryAsync(sites.A, Rpc.Disable);
        Assert.Empty(await PointsAsync(sites.A, volume));
    }

    [Fact]
    public async Task What_was_cut_off_before_its_mirror_snapshot_is_finished_when_it_is_looked_at()
    {
        var volume = await ProtectAsync(sites.A.Server);
        await AwaitPointsAsync(sites.A, volume, 1);
        await CallAsync(sites.A.Server, sites.A, volume, Rpc.Promote, NoPoints);
        var name = PointRules.NameOf(DateTimeOffset.UtcNow.AddSeconds(1)).Name;
        await using (var image = await volume.OpenAsync(sites.A, readOnly: false))
            await image.Snapshots.CreateAsync(new PointName(name).ToString(), CancellationToken.None);
        await CallAsync(sites.A.Server, sites.A, volume, Rpc.Promote, TwoPoints);
        await Eventually.TrueAsync(
            async () =>
            {
                await using var image = await volume.OpenAsync(sites.A);
                var seen = await MemberSnapshots.ReadAsync(image, CancellationToken.None);
                return PointRules.Find(seen, new PointName(name)) is { } point && PointRules.IsCarried(seen, point);
            }, "it is carried");
    }
}
