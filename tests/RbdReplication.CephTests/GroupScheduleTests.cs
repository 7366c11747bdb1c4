using System.Globalization;
using System.Text.RegularExpressions;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests;

public sealed class GroupScheduleTests(TwoSites sites)
{
    private static readonly (string, string)[] EachMinute = [("schedulingInterval", "1m"), ("maximumHold", "30s")];

    [Fact]
    public async Task Generations_are_taken_where_a_group_is_primary_reach_the_peer_and_those_that_are_not_needed_go()
    {
        var group = await ProtectAsync(EachMinute);
        var info = await AwaitHeldAsync(group, sites.A, 1);
        var first = (await SnapshotsAsync(group, sites.A)).Select(member => member.Single(one => one.Name.Number == NumberOf(info)).TakenAt).Min();
        Assert.Equal(first, info.LastSyncTime.ToDateTimeOffset());
        Assert.Contains("of all 3 volumes", info.StatusMessage, StringComparison.Ordinal);

        // The next come with the minutes.
        await AwaitHeldAsync(group, sites.A, NumberOf(info) + 2);
        await Eventually.TrueAsync(async () => (await SnapshotsAsync(group, sites.A)).All(member => member.TrueForAll(one => one.Name.Number > NumberOf(info))), "the first is gone");

        await group.RetryAsync(sites.A, Rpc.Demote);
        var last = (await StateAsync(group, sites.A))!.Generation;
        await TestVolume.RetryAsync(() => group.CallAsync(sites.B, Rpc.Promote, parameters: EachMinute), "site-b is promoted");
        // The other site takes its own from now on, and this one none.
        await AwaitHeldAsync(group, sites.B, 1);
        Assert.Equal(last, (await StateAsync(group, sites.A))!.Generation);
        // What this site took under the uuid that the group has here goes then, there and, with the next copies, here.
        foreach (var site in new[] { sites.B, sites.A })
            await Eventually.TrueAsync(async () => (await SnapshotsAsync(group, site)).All(member => member.TrueForAll(one => one.Name.Group == group.At(sites.B).NewUuid)), $"{site} has the other site's alone");
    }

    [Fact]
    public async Task Of_two_servers_one_takes_what_is_due_and_a_call_for_the_info_is_enough_for_either_to_go_on()
    {
        var group = await ProtectAsync(EachMinute);
        await AwaitHeldAsync(group, sites.A, 1);
        await using var second = await sites.A.StartServerAsync($"generations-{Guid.NewGuid():N}"[..20]);
        await group.At(sites.A).CallAsync(second, Rpc.GetInfo, group.HandleAt(sites.A));
        Dictionary<long, DateTimeOffset> taken = [];
        await Eventually.TrueAsync(
            async () =>
            {
                // It is written down after the snapshots are taken, which the peer may have by then.
                if (await StateAsync(group, sites.A) is { TakenAt: { } at } state)
                    taken[state.Taken] = at;
                return taken.Count >= 4;
            }, "three more are taken");
        // One a minute, however many servers there are.
        Assert.Equal(taken.Count, taken.Values.Select(at => at.UtcDateTime.ToString("HH:mm", CultureInfo.InvariantCulture)).Distinct().Count());
    }

    [Fact]
    public async Task A_group_that_is_disabled_leaves_no_snapshots_and_no_object()
    {
        var group = await ProtectAsync(EachMinute);
        await AwaitHeldAsync(group, sites.A, 1);
        await group.RetryAsync(sites.A, Rpc.Disable);
        Assert.All(await SnapshotsAsync(group, sites.A), Assert.Empty);
        Assert.Null(await StateAsync(group, sites.A));
    }

    [Fact]
    public async Task A_group_that_has_moved_and_is_disabled_leaves_nothing_of_either_site()
    {
        var group = await ProtectAsync(EachMinute);
        await AwaitHeldAsync(group, sites.A, 1);
        await group.RetryAsync(sites.A, Rpc.Demote);
        await TestVolume.RetryAsync(() => group.CallAsync(sites.B, Rpc.Promote), "site-b is promoted");
        // The site that follows is disabled first: its copies follow, with all that they have.
        await group.RetryAsync(sites.A, Rpc.Disable);
        Assert.All(await SnapshotsAsync(group, sites.A), Assert.NotEmpty);
        Assert.All(await SnapshotsAsync(group, sites.B), Assert.NotEmpty);
        await group.RetryAsync(sites.B, Rpc.Disable);
        Assert.All(await SnapshotsAsync(group, sites.B), Assert.Empty);
    }

    [Fact]
    public async Task A_group_without_volumes_is_as_good_as_taken()
    {
        var group = await ReplicatedGroup.CreateAsync(sites, 1);
        await group.At(sites.A).ModifyAsync(group.HandleAt(sites.A));
        await group.CallAsync(sites.A, Rpc.Enable);
        await group.CallAsync(sites.A, Rpc.Promote, parameters: EachMinute);
        await Eventually.TrueAsync(async () => (await StateAsync(group, sites.A))!.TakenAt is not null, "nothing is due");
        Assert.Equal(0, (await StateAsync(group, sites.A))!.Generation);
    }

    [Fact]
    public async Task Without_an_interval_none_is_taken_and_the_info_says_so()
    {
        var group = await ProtectAsync();
        var info = await Eventually.GetAsync(async () => await group.At(sites.A).GetInfoAsync(group.HandleAt(sites.A)), "there is an info");
        Assert.Null(info.LastSyncTime);
        Assert.Contains("the peer has no generation of the group", info.StatusMessage, StringComparison.Ordinal);
        Assert.Equal(0, (await StateAsync(group, sites.A))!.Generation);
    }

    private async Task<ReplicatedGroup> ProtectAsync(params (string, string)[] parameters)
    {
        var group = await ReplicatedGroup.CreateAsync(sites, 3);
        await group.CallAsync(sites.A, Rpc.Enable, parameters: parameters);
        await group.CallAsync(sites.A, Rpc.Promote, parameters: parameters);
        await group.AwaitCopiesAsync();
        return group;
    }

    private static Task<GroupState?> StateAsync(ReplicatedGroup group, Site site) => group.At(site).StateAsync(group.At(site).NewUuid);

    /// <summary>Waits until the peer is known to have this generation or a later one.</summary>
    private static Task<Csi.Protocol.GetVolumeReplicationInfoResponse> AwaitHeldAsync(ReplicatedGroup group, Site site, int number) => Eventually.GetAsync(
        async () =>
        {
            var info = await group.At(site).GetInfoAsync(group.HandleAt(site));
            return info.LastSyncTime is not null && NumberOf(info) >= number ? info : null;
        }, $"the peer has generation {number}");

    /// <summary>The generation that the info tells of.</summary>
    private static int NumberOf(Csi.Protocol.GetVolumeReplicationInfoResponse info) =>
        int.Parse(Regex.Match(info.StatusMessage, @"generation (\d+) of all").Groups[1].Value);

    /// <summary>The generations of which each member has the snapshot, by whichever uuid of the group.</summary>
    private static async Task<List<(GenerationName Name, DateTimeOffset TakenAt)>[]> SnapshotsAsync(ReplicatedGroup group, Site site) => await Task.WhenAll(group.Volumes.Select(async volume =>
    {
        await using var image = await volume.OpenAsync(site);
        return (await image.Snapshots.ListAsync(CancellationToken.None))
            .Where(snapshot => GenerationName.Parse(snapshot.Name, out _) is not null)
            .Select(snapshot => (GenerationName.Parse(snapshot.Name, out _)!.Value, snapshot.TakenAt)).ToList();
    }));
}
