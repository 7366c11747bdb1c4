using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using RbdReplication.Csi.Protocol;

namespace RbdReplication.CephTests;

/// <summary>
/// Fencing of networks. All addresses but one are of the ranges that are kept for documentation, where no client of the sandbox is; each
/// test has its own, since all run on one blocklist.
/// </summary>
public sealed class NetworkFenceTests(TwoSites sites)
{
    private const string Weak = "fence-weak";

    private FenceController.FenceControllerClient Client => new(sites.A.Server.Channel);

    private static IEnumerable<CIDR> Blocks(params string[] blocks) => blocks.Select(block => new CIDR { Cidr = block });

    private Dictionary<string, string> Parameters(params (string Key, string Value)[] more) =>
        ((string Key, string Value)[])[("clusterID", sites.A.Name), .. more] is var all ? all.ToDictionary(pair => pair.Key, pair => pair.Value) : [];

    private async Task FenceAsync(Dictionary<string, string> secrets, Dictionary<string, string> parameters, params string[] blocks) =>
        await Client.FenceClusterNetworkAsync(new() { Parameters = { parameters }, Secrets = { secrets }, Cidrs = { Blocks(blocks) } });

    private async Task UnfenceAsync(Dictionary<string, string> secrets, params string[] blocks) =>
        await Client.UnfenceClusterNetworkAsync(new() { Parameters = { Parameters() }, Secrets = { secrets }, Cidrs = { Blocks(blocks) } });

    private async Task<List<string>> ListAsync() =>
        [.. (await Client.ListClusterFenceAsync(new() { Parameters = { Parameters() }, Secrets = { sites.A.Secrets } })).Cidrs.Select(block => block.Cidr)];

    private Task<string> BlocklistAsync() => sites.A.CephAsync("osd", "blocklist", "ls");

    // As the documentation says what lets a user take fences back.
    private async Task<Dictionary<string, string>> FencerAsync()
    {
        var key = (await sites.A.CephAsync("auth", "get-or-create-key", "client.fencer", "mon", "profile rbd, allow command \"osd blocklist\"", "osd", "profile rbd")).Trim();
        return new() { ["userID"] = "fencer", ["userKey"] = key };
    }

    private async Task<string> RefusedAsync(StatusCode code, Func<Task> call)
    {
        var status = await TestVolume.FailureOfAsync(call);
        Assert.True(code == status.StatusCode, $"{status}");
        Assert.DoesNotContain(sites.A.Secrets["userKey"], status.Detail, StringComparison.Ordinal);
        return status.Detail;
    }

    [Fact]
    public async Task Networks_are_fenced_for_years_listed_and_let_in_again_each_as_often_as_it_is_asked_for()
    {
        var fencer = await FencerAsync();
        string[] blocks = ["192.0.2.0/28", "192.0.2.17/32", "2001:db8:a::/64", "2001:db8:b::1/128"];
        await FenceAsync(fencer, Parameters(), blocks);
        await FenceAsync(fencer, Parameters(), blocks);
        var listed = await ListAsync();
        Assert.All(blocks, block => Assert.Single(listed, block));
        var fenced = (await BlocklistAsync()).Split('\n');
        foreach (var entry in (string[])["cidr:192.0.2.0:0/28 ", "cidr:192.0.2.17:0/32 ", "cidr:[2001:db8:a::]:0/64 ", "cidr:[2001:db8:b::1]:0/128 "])
        {
            var until = DateTimeOffset.Parse(Assert.Single(fenced, line => line.StartsWith(entry, StringComparison.Ordinal))[entry.Length..].Replace("+0000", "+00:00", StringComparison.Ordinal), System.Globalization.CultureInfo.InvariantCulture);
            Assert.InRange(until, DateTimeOffset.UtcNow.AddYears(4), DateTimeOffset.UtcNow.AddYears(6));
        }
        // What ceph-csi and people leave: a range with bits behind its prefix, an address by itself, and one client, which is nobody's network.
        await sites.A.CephAsync("osd", "blocklist", "range", "add", "192.0.2.5/28", "1000");
        await sites.A.CephAsync("osd", "blocklist", "add", "192.0.2.6", "1000");
        await sites.A.CephAsync("osd", "blocklist", "add", "192.0.2.7:0/4711", "1000");
        listed = await ListAsync();
        Assert.Contains("192.0.2.5/28", listed);
        Assert.Contains("192.0.2.6/32", listed);
        Assert.DoesNotContain("192.0.2.7/32", listed);
        await UnfenceAsync(fencer, blocks);
        await UnfenceAsync(fencer, blocks);
        // The single address is somebody else's fence, of a node that is lost, say: it goes when it is named.
        Assert.Contains("192.0.2.6/32", await ListAsync());
        await UnfenceAsync(fencer, "192.0.2.6/32");
        listed = await ListAsync();
        Assert.DoesNotContain(listed, block => block.StartsWith("192.0.2.", StringComparison.Ordinal) || block.StartsWith("2001:db8:a:", StringComparison.Ordinal) || block.StartsWith("2001:db8:b:", StringComparison.Ordinal));
        Assert.Contains("192.0.2.7:0/4711", await BlocklistAsync(), StringComparison.Ordinal);
        await sites.A.CephAsync("osd", "blocklist", "rm", "192.0.2.7:0/4711");
        Assert.Contains("fence.FenceController/FenceClusterNetwork site-a 192.0.2.0/28, 192.0.2.17/32", sites.A.Server.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_that_is_fenced_writes_nothing_more_and_others_go_on()
    {
        const string Node = "127.0.0.77";
        var volume = await TestVolume.CreateAsync(sites.A);
        Task WriteFromNodeAsync() => TwoSites.OnNodeAsync(
            sites.A, Node, "rbd", "bench", "--io-type", "write", "--io-size", "4K", "--io-total", "4K", $"{TwoSites.Pool}/{volume.ImageName}");
        await WriteFromNodeAsync();
        await FenceAsync(sites.A.Secrets, Parameters(), Node + "/32");
        try
        {
            var refusal = await Assert.ThrowsAsync<InvalidOperationException>(WriteFromNodeAsync);
            Assert.Contains("Cannot send after transport endpoint shutdown", refusal.Message, StringComparison.Ordinal);
            await volume.WriteAsync(sites.A, 0, [1]);
        }
        finally
        {
            await UnfenceAsync(await FencerAsync(), Node + "/32");
        }
        await WriteFromNodeAsync();
    }

    [Fact]
    public async Task A_user_without_the_right_may_fence_but_not_let_in_and_is_told_what_it_needs_and_what_is_done()
    {
        // profile rbd allows to add to the blocklist, which clients need to break locks, and not to take off.
        await FenceAsync(sites.A.Secrets, Parameters(), "198.51.100.0/28", "198.51.100.32/28");
        var says = await RefusedAsync(StatusCode.Unauthenticated, () => UnfenceAsync(sites.A.Secrets, "198.51.100.0/28", "198.51.100.32/28", "198.51.100.64/28"));
        Assert.Contains("allow command \"osd blocklist\"", says, StringComparison.Ordinal);
        Assert.Contains("done: 198.51.100.64/28; not done: 198.51.100.0/28, 198.51.100.32/28; a retry finishes it", says, StringComparison.Ordinal);
        var key = (await sites.A.CephAsync("auth", "get-or-create-key", "client." + Weak, "mon", "allow r", "osd", "profile rbd-read-only")).Trim();
        var weak = new Dictionary<string, string> { ["userID"] = Weak, ["userKey"] = key };
        says = await RefusedAsync(StatusCode.Unauthenticated, () => FenceAsync(weak, Parameters(), "198.51.100.96/28"));
        Assert.Contains("for mon the user needs profile rbd", says, StringComparison.Ordinal);
        Assert.Contains("not done: 198.51.100.96/28", says, StringComparison.Ordinal);
        // The same request with the right finishes it.
        await UnfenceAsync(await FencerAsync(), "198.51.100.0/28", "198.51.100.32/28", "198.51.100.64/28");
        Assert.DoesNotContain(await ListAsync(), block => block.StartsWith("198.51.100.", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_force_neither_this_server_nor_the_storages_network_nor_everybody_is_fenced()
    {
        async Task RefusedAsync(string block, string says) => Assert.Contains(
            says, await this.RefusedAsync(StatusCode.InvalidArgument, () => FenceAsync(sites.A.Secrets, Parameters(), "203.0.113.0/28", block)), StringComparison.Ordinal);
        await RefusedAsync("127.0.0.1/32", "this server's own address");
        await RefusedAsync("127.0.0.0/24", "this server's own address");
        await RefusedAsync("0.0.0.0/0", "larger than any network of nodes");
        await RefusedAsync("::/0", "larger than any network of nodes");
        await RefusedAsync("203.0.113.7/28", "write 203.0.113.0/28 for the whole block");
        // Nothing is done of a list of which one is refused.
        Assert.DoesNotContain("203.0.113.0/28", await ListAsync());
        // What stands already is asked for again at each start of the controller, by whomever it was fenced.
        await sites.A.CephAsync("osd", "blocklist", "range", "add", "203.0.113.37/28", "1000");
        await FenceAsync(sites.A.Secrets, Parameters(), "203.0.113.37/28");
        await UnfenceAsync(await FencerAsync(), "203.0.113.37/28");
        // Force does what it is told, here something harmless: bits behind the prefix.
        await FenceAsync(sites.A.Secrets, Parameters(("force", "true")), "203.0.113.7/28");
        Assert.Contains("203.0.113.0/28", await ListAsync());
        await UnfenceAsync(await FencerAsync(), "203.0.113.7/28");
        Assert.DoesNotContain("203.0.113.0/28", await ListAsync());
    }

    [Fact]
    public async Task Bad_requests_are_refused()
    {
        var parameters = Parameters();
        Task FenceNothingAsync() => FenceAsync(sites.A.Secrets, parameters);
        Assert.Contains("cidrs is empty", await RefusedAsync(StatusCode.InvalidArgument, FenceNothingAsync), StringComparison.Ordinal);
        foreach (var block in (string[])["", "192.0.2.1", "192.0.2.0/33", "node-a/32", "192.0.2.0/24; rm"])
        {
            Assert.Contains("is no block of addresses", await RefusedAsync(StatusCode.InvalidArgument, () => FenceAsync(sites.A.Secrets, parameters, block)), StringComparison.Ordinal);
            Assert.Contains("is no block of addresses", await RefusedAsync(StatusCode.InvalidArgument, () => UnfenceAsync(sites.A.Secrets, block)), StringComparison.Ordinal);
        }
        Assert.Contains("parameter clusterID is missing", await RefusedAsync(StatusCode.InvalidArgument, () => FenceAsync(sites.A.Secrets, [], "192.0.2.64/28")), StringComparison.Ordinal);
        Assert.Contains("is not in config.json", await RefusedAsync(StatusCode.Unavailable, () => FenceAsync(sites.A.Secrets, new() { ["clusterID"] = "nowhere" }, "192.0.2.64/28")), StringComparison.Ordinal);
        Assert.Contains("cluster dead", await RefusedAsync(StatusCode.Unavailable, () => FenceAsync(sites.A.Secrets, new() { ["clusterID"] = "dead" }, "192.0.2.64/28")), StringComparison.Ordinal);
        Assert.Contains("userID", await RefusedAsync(StatusCode.InvalidArgument, () => FenceAsync([], parameters, "192.0.2.64/28")), StringComparison.Ordinal);
        var nobody = new Dictionary<string, string> { ["userID"] = "nobody", ["userKey"] = sites.A.Secrets["userKey"] };
        Assert.Contains("client.nobody", await RefusedAsync(StatusCode.Unauthenticated, () => FenceAsync(nobody, parameters, "192.0.2.64/28")), StringComparison.Ordinal);
        Assert.DoesNotContain("192.0.2.64/28", await ListAsync());
        Assert.Contains("plugin on that node", await RefusedAsync(StatusCode.Unimplemented, async () => await Client.GetFenceClientsAsync(new() { Parameters = { parameters }, Secrets = { sites.A.Secrets } })), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_other_sites_cluster_is_not_touched_even_with_a_key_that_it_accepts()
    {
        await using var server = await OwnServer.StartAsync(
        [
            new { clusterID = sites.A.Name, monitors = sites.A.Monitors, replicationDestination = new { remoteClusterID = sites.B.Name } },
            new { clusterID = sites.B.Name, monitors = sites.B.Monitors },
        ]);
        var client = new FenceController.FenceControllerClient(server.Channel);
        Assert.Contains("is the other site's", await RefusedAsync(StatusCode.Unavailable, async () => await client.FenceClusterNetworkAsync(
            new() { Parameters = { ["clusterID"] = sites.B.Name }, Secrets = { sites.B.Secrets }, Cidrs = { Blocks("192.0.2.64/28") } })), StringComparison.Ordinal);
        Assert.DoesNotContain("192.0.2.64", await sites.B.CephAsync("osd", "blocklist", "ls"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_the_monitors_know_no_ranges_single_addresses_do_what_a_range_does()
    {
        // What such a cluster is sent; the release that is tested knows ranges, and takes single addresses as well.
        var list = new OsdBlocklist(sites.A.Cluster);
        Assert.True(CidrBlock.TryParse("192.0.2.128/28", out var block, out _));
        Assert.True(CidrBlock.TryParse("2001:db8:c::/126", out var ipv6, out _));
        await Task.WhenAll(block.Addresses(FenceRules.MaximumAddresses).Concat(ipv6.Addresses(4)).Select(address => list.AddAsync(address, TimeSpan.FromMinutes(10), CancellationToken.None)));
        var blocked = await list.ReadAsync(CancellationToken.None);
        Assert.True(blocked.KnowsRanges);
        Assert.Empty(block.Addresses(100).Concat(ipv6.Addresses(100)).Except(blocked.Addresses));
        await UnfenceAsync(await FencerAsync(), "192.0.2.128/28", "2001:db8:c::/126");
        blocked = await list.ReadAsync(CancellationToken.None);
        Assert.DoesNotContain(blocked.Addresses, address => block.Contains(address) || ipv6.Contains(address));
    }
}
