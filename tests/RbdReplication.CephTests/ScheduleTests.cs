using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

/// <summary>The manager's snapshot schedule of an image, as the manager itself stores it.</summary>
public sealed class ScheduleTests(TwoSites sites)
{
    private Task<string?> StoredAsync(TestVolume volume) => VolumeState.ScheduleAsync(sites.A, volume);

    private Task<Status> PromoteAsync(TestVolume volume, params (string Key, string Value)[] parameters) => Rpc.StatusAsync(
        sites.A.Replication, Rpc.Promote,
        new() { Source = volume.Source, Secrets = sites.A.Secrets, Parameters = parameters.ToDictionary(pair => pair.Key, pair => pair.Value) });

    private Task<string> ManagerAsync(string verb, TestVolume volume, string interval) => sites.A.Cluster.MgrCommandAsync(
        $$"""{"prefix":"rbd mirror snapshot schedule {{verb}}","level_spec":"{{TwoSites.Pool}}/{{volume.ImageName}}","interval":"{{interval}}","format":"json"}""",
        CancellationToken.None);

    [Fact]
    public async Task An_interval_written_in_another_unit_is_the_same_schedule_and_another_one_replaces_it()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A);
        Assert.Null(await StoredAsync(volume));
        await PromoteAsync(volume, ("schedulingInterval", "1440m"));
        Assert.Equal("1d from midnight", await StoredAsync(volume));
        await PromoteAsync(volume, ("schedulingInterval", "24h"));
        Assert.Equal("1d from midnight", await StoredAsync(volume));
        await PromoteAsync(volume, ("schedulingInterval", "5m"));
        Assert.Equal("5m from midnight", await StoredAsync(volume));
        await PromoteAsync(volume);
        Assert.Equal("5m from midnight", await StoredAsync(volume));
        await volume.DisableAsync(sites.A);
        Assert.Null(await StoredAsync(volume));
    }

    [Fact]
    public async Task A_start_time_is_part_of_the_schedule()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A);
        await PromoteAsync(volume, ("schedulingInterval", "1h"), ("schedulingStartTime", "14:00:00-05:00"));
        var stored = await StoredAsync(volume);
        Assert.Contains("14:00:00-05:00", stored, StringComparison.Ordinal);
        await PromoteAsync(volume, ("schedulingInterval", "60m"), ("schedulingStartTime", "14:00-05:00"));
        Assert.Equal(stored, await StoredAsync(volume));
        await PromoteAsync(volume, ("schedulingInterval", "1h"), ("schedulingStartTime", "15:00"));
        Assert.Contains("15:00", await StoredAsync(volume), StringComparison.Ordinal);
        Assert.DoesNotContain("14:00", await StoredAsync(volume), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_start_time_that_was_set_as_a_time_of_day_is_the_same_schedule()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A);
        await sites.A.RbdAsync("mirror", "snapshot", "schedule", "add", "--pool", TwoSites.Pool, "--image", volume.ImageName, "1h", "14:00:00");
        var stored = await StoredAsync(volume);
        Assert.Equal("1h from 14:00:00", stored);
        Assert.Equal(Status.DefaultSuccess, await PromoteAsync(volume, ("schedulingInterval", "1h"), ("schedulingStartTime", "14:00")));
        Assert.Equal(stored, await StoredAsync(volume));
        Assert.Equal(Status.DefaultSuccess, await PromoteAsync(volume, ("schedulingInterval", "1h")));
        Assert.Equal("1h from midnight", await StoredAsync(volume));
    }

    [Theory]
    [InlineData("0m")]
    [InlineData("0d")]
    [InlineData("366d")]
    [InlineData("99999999999d")]
    public async Task An_interval_that_would_stop_the_schedules_of_the_whole_cluster_never_reaches_the_manager(string interval)
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A);
        Assert.Equal(StatusCode.InvalidArgument, (await PromoteAsync(volume, ("schedulingInterval", interval))).StatusCode);
        Assert.Null(await StoredAsync(volume));
    }

    [Fact]
    public async Task An_interval_of_zero_that_another_tool_left_is_taken_away_by_the_next_promote()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A);
        try
        {
            // The manager refuses it with a traceback and stores it all the same.
            await Record.ExceptionAsync(() => ManagerAsync("add", volume, "0m"));
            Assert.Contains("0d from", await StoredAsync(volume), StringComparison.Ordinal);
            Assert.Equal(Status.DefaultSuccess, await PromoteAsync(volume, ("schedulingInterval", "1h")));
            Assert.Equal("1h from midnight", await StoredAsync(volume));
        }
        finally
        {
            await Record.ExceptionAsync(() => ManagerAsync("remove", volume, "0m"));
        }
    }

    [Fact]
    public async Task Several_schedules_that_other_tools_left_become_one()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A);
        foreach (var interval in (string[])["7m", "9m", "1h"])
            await ManagerAsync("add", volume, interval);
        await PromoteAsync(volume, ("schedulingInterval", "1h"));
        Assert.Equal("1h from midnight", await StoredAsync(volume));
    }

    [Fact]
    public async Task An_image_mirrored_by_journal_gets_no_schedule()
    {
        var volume = await TestVolume.CreateAsync(sites.A, features: ImageFeatures.Layering | ImageFeatures.ExclusiveLock | ImageFeatures.Journaling);
        await volume.EnableAsync(sites.A, "journal");
        Assert.Equal(Status.DefaultSuccess, await PromoteAsync(volume, ("schedulingInterval", "1h"), ("mirroringMode", "journal")));
        Assert.Null(await StoredAsync(volume));
    }
}
