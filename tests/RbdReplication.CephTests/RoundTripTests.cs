using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

/// <summary>
/// What calls cost that a controller repeats for ever and that find nothing to do: one read of the journal, and then three at once, of the pool's
/// directory, the image's mirroring and its header, with a schedule two more; or one open without a watch and one question; the replication info reads the schedules, the manager's and ours, beside its
/// question. Counted by a server of its own; asking librbd for what came with the open image is no round trip. Where volume groups are served that is true of the group of an image, too, which is
/// asked for by what changes something; only of one that is in a group name and state are read. With a reading of the pool the replication info
/// costs two reads beside each other, the first time, and then nothing.
/// </summary>
public sealed class RoundTripTests(TwoSites sites)
{
    private const int Calls = 5;
    private const string Record = "rados_aio_read_op_operate";
    private const string Open = "rbd_aio_open_read_only";
    private const string Info = "rbd_aio_mirror_image_get_info";
    // Looks for a request to copy the image again that was left lying.
    private const string Metadata = "rbd_metadata_list";
    private const string Status = "rbd_aio_mirror_image_get_global_status";

    private const string Group = "rbd_get_group";

    private static readonly string[] InMemory = ["rbd_get_features", "rbd_snap_list"];

    [Theory]
    [InlineData(Rpc.Enable, "4 " + Record)]
    [InlineData(Rpc.Promote, "4 " + Record)]
    [InlineData(Rpc.GetInfo, "3 " + Record, Open, Status)]
    [InlineData(Rpc.GetDestination, Record, Open, Info)]
    public async Task A_primary_costs_four_reads_or_one_open_and_one_question(string rpc, params string[] expected)
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        Assert.Equal(expected, await CostOfAsync(sites.A, volume, rpc));
    }

    [Theory]
    [InlineData(Rpc.Demote, Record, Open, Info)]
    [InlineData(Rpc.Resync, Record, Open, Info, Status, Metadata)]
    public async Task A_secondary_costs_no_more(string rpc, params string[] expected)
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        Assert.Equal(expected, await CostOfAsync(sites.B, volume, rpc));
    }

    [Fact]
    public async Task A_schedule_costs_a_primary_two_reads_more()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        Assert.Equal(["6 " + Record], await CostOfAsync(sites.A, volume, Rpc.Promote, interval: "12h"));
    }

    [Fact]
    public async Task A_volume_that_is_not_mirrored_costs_no_more()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        Assert.Equal(["4 " + Record], await CostOfAsync(sites.A, volume, Rpc.Disable));
    }

    [Theory]
    [InlineData(false, "4 " + Record)]
    [InlineData(true, "5 " + Record, Open, Info, Group)]
    public async Task Where_groups_are_served_a_volume_of_one_costs_what_tells_whether_that_is_replicated(bool isInGroup, params string[] expected)
    {
        var volume = await ReplicatedGroup.NewVolumeAsync(sites);
        if (isInGroup)
            await new TestGroup(sites.A).CreateAsync(volume);
        Assert.Equal(expected, await CostOfAsync(sites.A, volume, Rpc.Disable, groups: true));
    }

    [Fact]
    public async Task Beside_a_new_reading_of_the_pool_the_info_costs_two_reads_the_first_time_and_then_nothing()
    {
        var (asked, other) = (await TestVolume.CreateAsync(sites.A), await TestVolume.CreateAsync(sites.A));
        await Task.WhenAll(asked.ProtectAsync(sites.A, sites.B), other.ProtectAsync(sites.A, sites.B));
        await using var server = await sites.A.StartServerAsync($"cost-{Guid.NewGuid():N}"[..20], "--volume-metrics-interval", "0", "--status-max-age", "30s");
        async Task AskAsync(TestVolume volume) => await Rpc.StatusAsync(server.Replication, Rpc.GetInfo, new() { Source = volume.Source, Secrets = sites.A.Secrets });
        var answered = 0;
        await Eventually.TrueAsync(
            async () =>
            {
                answered++;
                await AskAsync(asked);
                return (await Scrape.OfAsync(server)).Value(Answers, ("source", "Reading")) > 0;
            }, "the info comes from the reading");
        async Task<double> CallsAfterAsync(int more)
        {
            answered += more;
            var scrape = await Eventually.GetAsync(
                async () => await Scrape.OfAsync(server) is { } scrape && scrape.Of(Answers).Sum(series => series.Value) >= answered ? scrape : null, "the answers are counted");
            Assert.Equal(1, scrape.Value(Readings));
            return scrape.Of("rbd_replication_ceph_call_duration_seconds_count").Sum(series => series.Value);
        }

        var before = await CallsAfterAsync(0);
        for (var i = 0; i < Calls; i++)
            await AskAsync(asked);
        Assert.Equal(before, await CallsAfterAsync(Calls));
        for (var i = 0; i < Calls; i++)
            await AskAsync(other);
        Assert.Equal(before + 2, await CallsAfterAsync(Calls));
    }

    private const string Answers = "rbd_replication_replication_info_answers_total";
    private const string Readings = "rbd_replication_status_reading_duration_seconds_count";

    private static async Task<IReadOnlyList<string>> CostOfAsync(Site site, TestVolume volume, string rpc, bool groups = false, string? interval = null)
    {
        await using var server = await site.StartServerAsync(
            $"cost-{Guid.NewGuid():N}"[..20], "--volume-metrics-interval", "0", "--status-max-age", "0", "--volume-groups", groups ? "true" : "false");
        var arguments = new RpcArguments
        {
            Source = volume.Source,
            Secrets = site.Secrets,
            Parameters = interval is null ? new Dictionary<string, string>() : new() { ["schedulingInterval"] = interval },
        };
        // The first one connects; some have to wait for the mirror daemons' first reports.
        var first = 0;
        await TestVolume.RetryAsync(() =>
        {
            first++;
            return Rpc.CallAsync(server.Replication, rpc, arguments);
        }, "the call succeeds");
        var before = await CountsAsync(server, first);
        for (var i = 0; i < Calls; i++)
            await Rpc.CallAsync(server.Replication, rpc, arguments);
        var after = await CountsAsync(server, first + Calls);
        return
        [
            .. after.Select(pair => (pair.Key, Count: pair.Value - before.GetValueOrDefault(pair.Key)))
                .Where(call => call.Count > 0 && !InMemory.Contains(call.Key))
                .OrderBy(call => Array.IndexOf([Record, Open, Info, Status, Metadata, Group], call.Key))
                .Select(call => call.Count == Calls ? call.Key : $"{call.Count / Calls} {call.Key}"),
        ];
    }

    // The exporter answers from a cache for a moment.
    private static Task<Dictionary<string, double>> CountsAsync(ServerProcess server, int calls) => Eventually.GetAsync(async () =>
    {
        var scrape = await Scrape.OfAsync(server);
        var counts = scrape.Of("rbd_replication_ceph_call_duration_seconds_count")
            .GroupBy(series => series.Labels["rbd_call"]).ToDictionary(group => group.Key, group => group.Sum(series => series.Value));
        var done = scrape.Of("rbd_replication_rpc_duration_seconds_count").Where(series => series.Labels["rpc_method"].StartsWith("replication.Controller/", StringComparison.Ordinal));
        return done.Sum(series => series.Value) >= calls ? counts : null;
    }, "the calls are counted");
}
