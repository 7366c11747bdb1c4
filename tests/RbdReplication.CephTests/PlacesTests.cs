using System.Text.Json;
using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests;

/// <summary>A configuration that lists the clusters of both sites, and one that lacks something.</summary>
public sealed class PlacesTests(TwoSites sites)
{
    private static readonly string[] NobodyAnswers = ["127.0.0.1:1"];

    private static object Entry(Site site, string[]? monitors = null, string? destination = null) => new
    {
        clusterID = site.Name,
        monitors = monitors ?? site.Monitors,
        replicationDestination = destination is null ? null : new { remoteClusterID = destination },
    };

    private string Mapping =>
        $$"""[{"clusterIDMapping":{"{{sites.A.Name}}":"{{sites.B.Name}}"},"RBDPoolIDMapping":[{"{{sites.A.Pool.Id}}":"{{sites.B.Pool.Id}}"}]}]""";

    private static Task<Status> CallAsync(
        ServerProcess server, string call, VolumeHandle handle, IReadOnlyDictionary<string, string> secrets, bool force = false) =>
        Rpc.StatusAsync(server.Replication, call, new() { Source = RpcArguments.Volume(handle.ToString()), Secrets = secrets, Force = force });

    [Fact]
    public async Task A_site_whose_peer_does_not_answer_fails_over_with_the_peers_handle_though_its_configuration_lists_both()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await using var server = await OwnServer.StartAsync([Entry(sites.A, NobodyAnswers), Entry(sites.B)], Mapping);
        Assert.Equal(Status.DefaultSuccess, await CallAsync(server, Rpc.Promote, volume.Handle, sites.B.Secrets, force: true));
        Assert.True((await volume.InfoAsync(sites.B)).IsPrimary);
        Assert.True((await volume.InfoAsync(sites.A)).IsPrimary);
    }

    [Fact]
    public async Task With_both_clusters_listed_each_secret_leads_to_its_own_sites_image_only_whichever_site_made_the_handle()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        var before = (A: await VolumeState.ReadAsync(sites.A, volume), B: await VolumeState.ReadAsync(sites.B, volume));
        await using var server = await OwnServer.StartAsync([Entry(sites.A), Entry(sites.B)], Mapping);
        foreach (var handle in (VolumeHandle[])[volume.Handle, volume.Handle.WithLocation(sites.B.Name, sites.B.Pool.Id)])
        {
            await RefusedAtSecondaryAsync(server, handle, sites.B.Secrets);
            Assert.Equal(Status.DefaultSuccess, await CallAsync(server, Rpc.Promote, handle, sites.A.Secrets));
        }
        Assert.Equal(before, (await VolumeState.ReadAsync(sites.A, volume), await VolumeState.ReadAsync(sites.B, volume)));
        Assert.Equal(Status.DefaultSuccess, await CallAsync(server, Rpc.Disable, volume.Handle, sites.A.Secrets));
        Assert.Equal(MirrorImageState.Disabled, (await volume.InfoAsync(sites.A)).State);
    }

    [Fact]
    public async Task A_site_that_does_not_answer_is_never_stood_in_for_by_its_peer_that_denies_its_key()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        var before = await VolumeState.ReadAsync(sites.B, volume);
        await using var server = await OwnServer.StartAsync([Entry(sites.A, NobodyAnswers), Entry(sites.B)], Mapping);
        foreach (var call in Rpc.All)
        {
            var status = await CallAsync(server, call, volume.Handle, sites.A.Secrets, force: true);
            Assert.True(status.StatusCode == StatusCode.Unavailable, $"{call}: {status}");
            Assert.Contains("cannot connect to cluster site-a", status.Detail, StringComparison.Ordinal);
            Assert.Contains("cannot connect to cluster site-b", status.Detail, StringComparison.Ordinal);
            Assert.Contains(volume.Handle.ToString(), status.Detail, StringComparison.Ordinal);
        }
        Assert.Equal(before, await VolumeState.ReadAsync(sites.B, volume));
    }

    [Fact]
    public async Task A_key_that_both_sites_accept_is_refused_until_the_configuration_tells_which_one_is_here()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        var twin = await TwinAsync();
        var before = (A: await VolumeState.ReadAsync(sites.A, volume), B: await VolumeState.ReadAsync(sites.B, volume));
        await using (var server = await OwnServer.StartAsync([Entry(sites.A), Entry(sites.B)], Mapping))
        {
            foreach (var call in Rpc.All)
            {
                var status = await CallAsync(server, call, volume.Handle, twin, force: true);
                Assert.True(status.StatusCode == StatusCode.Unavailable, $"{call}: {status}");
                Assert.Contains("clusters site-a and site-b both accept client.twin with this key", status.Detail, StringComparison.Ordinal);
            }
        }
        Assert.Equal(before, (await VolumeState.ReadAsync(sites.A, volume), await VolumeState.ReadAsync(sites.B, volume)));

        // As site B's file has it: its own cluster names the other one as its destination.
        await using (var server = await OwnServer.StartAsync([Entry(sites.A), Entry(sites.B, destination: sites.A.Name)], Mapping))
            await RefusedAtSecondaryAsync(server, volume.Handle, twin);
        Assert.Equal(before.A, await VolumeState.ReadAsync(sites.A, volume));
        // And as site A's.
        await using (var server = await OwnServer.StartAsync([Entry(sites.A, destination: sites.B.Name), Entry(sites.B)], Mapping))
            Assert.Equal(Status.DefaultSuccess, await CallAsync(server, Rpc.Disable, volume.Handle, twin));
        Assert.Equal(MirrorImageState.Disabled, (await volume.InfoAsync(sites.A)).State);
    }

    [Fact]
    public async Task The_other_sites_cluster_is_not_used_even_with_a_secret_that_was_restored_from_there()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        var before = await VolumeState.ReadAsync(sites.A, volume);
        await using var server = await OwnServer.StartAsync([Entry(sites.A), Entry(sites.B, destination: sites.A.Name)], Mapping);
        foreach (var call in Rpc.All)
        {
            var status = await CallAsync(server, call, volume.Handle, sites.A.Secrets, force: true);
            Assert.True(status.StatusCode == StatusCode.Unauthenticated, $"{call}: {status}");
            Assert.Contains("cluster site-a is the other site's: config.json names it as the replicationDestination of site-b", status.Detail, StringComparison.Ordinal);
        }
        Assert.Equal(before, await VolumeState.ReadAsync(sites.A, volume));
    }

    [Theory]
    [InlineData("a pool number that does not exist here")]
    [InlineData("the number of another pool")]
    [InlineData("a number that the mapping has not")]
    public async Task A_mapping_that_is_missing_is_unavailable_to_every_call_and_named_with_the_pool_where_the_volume_is(string fault)
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A);
        await using var other = await sites.A.Cluster.OpenPoolAsync("otherpool", "", CancellationToken.None);
        var (foreign, mapping) = fault switch
        {
            "a pool number that does not exist here" => (volume.Handle with { PoolId = 987654 }, "[]"),
            "the number of another pool" => (volume.Handle with { PoolId = other.Id }, "[]"),
            _ => (volume.Handle with { ClusterId = "east", PoolId = 7777 }, """[{"clusterIDMapping":{"east":"site-a"},"RBDPoolIDMapping":[{"1":"2"}]}]"""),
        };
        await using var server = await OwnServer.StartAsync([Entry(sites.A)], mapping);
        foreach (var call in Rpc.All)
        {
            var status = await CallAsync(server, call, foreign, sites.A.Secrets, force: true);
            Assert.True(status.StatusCode == StatusCode.Unavailable, $"{call}: {status}");
            Assert.Contains(
                $"it is in pool {TwoSites.Pool} of cluster site-a: map pool number {foreign.PoolId} of cluster {foreign.ClusterId} to {sites.A.Pool.Id} of site-a with RBDPoolIDMapping in cluster-mapping.json",
                status.Detail, StringComparison.Ordinal);
        }
        Assert.Equal(MirrorImageState.Enabled, (await volume.InfoAsync(sites.A)).State);
    }

    [Fact]
    public async Task Status_shows_this_sites_cluster_and_says_why_the_other_one_is_not_shown()
    {
        var folder = Directory.CreateTempSubdirectory("rbd-replication-");
        try
        {
            var config = Path.Combine(folder.FullName, "config.json");
            var secret = Path.Combine(folder.FullName, "secret");
            var local = new { clusterID = sites.B.Name, monitors = sites.B.Monitors, replicationDestination = new { remoteClusterID = sites.A.Name } };
            await File.WriteAllTextAsync(config, JsonSerializer.Serialize<object[]>([Entry(sites.A), local]));
            await File.WriteAllTextAsync(secret, JsonSerializer.Serialize(sites.B.Secrets));
            var volume = await TestVolume.CreateAsync(sites.A);
            await volume.ProtectAsync(sites.A, sites.B);
            // The roles are told by the mirror daemons' reports.
            await volume.AwaitReportAsync(sites.B, own => own.State == MirrorStatusState.Replaying, "that it follows");
            using var process = ServerProcess.Start(["status", "--cluster-config", config, "--secret-file", secret, "--pool", TwoSites.Pool, "--output", "json"]);
            var error = process.StandardError.ReadToEndAsync(CancellationToken.None);
            using var json = JsonDocument.Parse(await process.StandardOutput.ReadToEndAsync(CancellationToken.None));
            Assert.Empty(json.RootElement.GetProperty("problems").EnumerateArray());
            Assert.Equal("cluster site-a is the other site's: config.json names it as the replicationDestination of site-b", Assert.Single(json.RootElement.GetProperty("passedOver").EnumerateArray()).GetString());
            var shown = Assert.Single(json.RootElement.GetProperty("volumes").EnumerateArray(), line => line.GetProperty("image").GetString() == volume.ImageName);
            Assert.Equal("secondary", shown.GetProperty("role").GetString());
            await error;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    // At site A, where the volume is primary, it is OK.
    private static async Task RefusedAtSecondaryAsync(ServerProcess server, VolumeHandle handle, IReadOnlyDictionary<string, string> secrets)
    {
        var status = await CallAsync(server, Rpc.Promote, handle, secrets);
        Assert.True(status.StatusCode is StatusCode.Aborted or StatusCode.FailedPrecondition, $"{status}");
        Assert.Contains(handle.Uuid, status.Detail, StringComparison.Ordinal);
    }

    /// <summary>A user that has the same key at both sites.</summary>
    private async Task<Dictionary<string, string>> TwinAsync()
    {
        string[] caps = ["mon", "profile rbd", "mgr", "profile rbd", "osd", "profile rbd"];
        var key = (await sites.A.CephAsync(["auth", "get-or-create-key", "client.twin", .. caps])).Trim();
        var ring = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(ring, $"[client.twin]\n\tkey = {key}\n\tcaps mgr = \"profile rbd\"\n\tcaps mon = \"profile rbd\"\n\tcaps osd = \"profile rbd\"\n");
            await sites.B.CephAsync("auth", "import", "-i", ring);
        }
        finally
        {
            File.Delete(ring);
        }
        return new() { [CephCredentials.UserField] = "twin", [CephCredentials.KeyField] = key };
    }
}
