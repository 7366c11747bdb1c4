using System.Diagnostics;
using System.Text.RegularExpressions;
using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests;

/// <summary>What a configuration may list as monitors: none of it ends the server or keeps another cluster from being served.</summary>
public sealed partial class MonitorTests(TwoSites sites)
{
    private const string Ip = "127.0.0.1";

    // v2 and v1, as the sandbox gives them to site-a's monitor.
    private string[] Ports => [.. Port().Matches(sites.A.Monitors[0]).Select(match => match.Groups[1].Value)];

    [GeneratedRegex(@":(\d+)[,\]]")]
    private static partial Regex Port();

    private async Task<Status> InfoAsync(ServerProcess server, string clusterId, TestVolume volume, Dictionary<string, string>? secrets = null) => await Rpc.StatusAsync(
        server.Replication, Rpc.GetInfo,
        new()
        {
            Source = RpcArguments.Volume(new VolumeHandle(clusterId, volume.Handle.PoolId, volume.Handle.Uuid).ToString()),
            Secrets = secrets ?? sites.A.Secrets,
        });

    [Fact]
    public async Task A_monitor_is_found_however_it_is_written_and_however_often_it_is_listed()
    {
        var (v2, v1) = (Ports[0], Ports[1]);
        var both = $"[v2:{Ip}:{v2},v1:{Ip}:{v1}]";
        string[][] lists =
        [
            [both, both], [$"{Ip}:{v1}", both], [both + both], [$"v1:{Ip}:{v1},{both}"], [$"{both},{Ip}:{v2}"], [$"[v2:{Ip}:{v2}/5,v1:{Ip}:{v1}/6]", both],
            [$"{Ip}:{v2}/5"], [$"{Ip}:{v2}"], [$"{Ip}:{v1}"], [$"localhost:{v1}", both], [$"[v2:localhost:{v2},v1:localhost:{v1}]", both], [$"v2:localhost:{v2}"],
            [$"[::ffff:{Ip}]:{v2}", both], ["", $" {Ip}:{v1} ;; {Ip}:{v1} "], [both, "no-such-host.invalid", "10.255.255.1:6789"],
        ];
        await AssertAllAsync(lists, StatusCode.FailedPrecondition, _ => "replication is not enabled");
    }

    [Fact]
    public async Task What_is_no_monitor_is_UNAVAILABLE_and_named()
    {
        var both = sites.A.Monitors[0];
        string[][] lists =
        [
            [both, $"{Ip}:99999"], [$"{Ip}:"], ["[v2:"], ["[]"], [$"v3:{Ip}:1"], ["0.0.0.0:6789"], ["{}"], ["[fe80::1%lo]:6789"],
        ];
        await AssertAllAsync(lists, StatusCode.Unavailable, list => $"\"{list[^1]}\" is no address of a monitor");
        await AssertAllAsync([[""], [" ,;"]], StatusCode.Unavailable, _ => "no monitor is listed");
        await AssertAllAsync([["no-such-host.invalid:6789"]], StatusCode.Unavailable, _ => "no-such-host.invalid cannot be resolved");
        // More than librados has names for.
        await AssertAllAsync([[both, .. Enumerable.Range(1, 300).Select(i => $"v2:10.255.{i / 200}.{i % 200 + 1}:3300")]], StatusCode.Unavailable, _ => "301 monitors are listed, more than 64");
    }

    private async Task AssertAllAsync(string[][] lists, StatusCode code, Func<string[], string> words)
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        object[] clusters = [new { clusterID = sites.A.Name, monitors = sites.A.Monitors }, .. lists.Select((list, i) => new { clusterID = $"list-{i}", monitors = list })];
        await using var server = await OwnServer.StartAsync(clusters);
        for (var i = 0; i < lists.Length; i++)
        {
            var status = await InfoAsync(server, $"list-{i}", volume);
            Assert.True(
                status.StatusCode == code && status.Detail.Contains(words(lists[i]), StringComparison.Ordinal), $"{string.Join(" and ", lists[i])}: {status}");
        }
        Assert.Equal(StatusCode.FailedPrecondition, (await InfoAsync(server, sites.A.Name, volume)).StatusCode);
        Assert.Equal(0, await server.TerminateAsync());
    }

    [Fact]
    public async Task A_user_that_is_refused_is_UNAUTHENTICATED_although_another_address_is_silent()
    {
        var (v2, v1) = (Ports[0], Ports[1]);
        var volume = await TestVolume.CreateAsync(sites.A);
        // A port that does not say which protocol, and a monitor that is down.
        string[][] lists = [[$"{Ip}:{v2}"], [$"{Ip}:{v1}"], [$"localhost:{v1}"], [sites.A.Monitors[0], $"v2:{Ip}:1"], [sites.A.Monitors[0], "10.255.255.1"]];
        await using var server = await OwnServer.StartAsync([.. lists.Select((list, i) => new { clusterID = $"list-{i}", monitors = list })]);
        var wrongKey = Convert.FromBase64String(sites.A.Secrets[CephCredentials.KeyField]);
        wrongKey[^1] ^= 1;
        Dictionary<string, string>[] refused =
        [
            new() { [CephCredentials.UserField] = "csi", [CephCredentials.KeyField] = Convert.ToBase64String(wrongKey) },
            new() { [CephCredentials.UserField] = "nobody", [CephCredentials.KeyField] = sites.A.Secrets[CephCredentials.KeyField] },
        ];
        await Task.WhenAll(
            from i in Enumerable.Range(0, lists.Length)
            from secrets in refused
            select AssertRefusedAsync(i, secrets));

        async Task AssertRefusedAsync(int i, Dictionary<string, string> secrets)
        {
            var status = await InfoAsync(server, $"list-{i}", volume, secrets);
            // The client of 20.2 keeps to itself what a monitor refuses in the old protocol, and goes on trying.
            var isKept = lists[i] is [var only] && only.EndsWith($":{v1}", StringComparison.Ordinal) && ImageCalls.LibraryVersion.StartsWith("1.20.", StringComparison.Ordinal);
            Assert.True(status.StatusCode == (isKept ? StatusCode.Unavailable : StatusCode.Unauthenticated), $"{string.Join(" and ", lists[i])} as {secrets[CephCredentials.UserField]}: {status}");
        }
    }
}
