using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

/// <summary>The page of a real server over real volumes, in a real browser (<c>make test-page</c>).</summary>
[Collection("Faults")]
public sealed class PageTests(TwoSites sites)
{
    private readonly string _path = Path.Combine(TwoSites.Folder, "page-" + Guid.NewGuid().ToString("N")[..12]);
    private readonly int _port = FreePort();

    private Uri Address => new($"http://127.0.0.1:{_port}/");

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private async Task<ServerProcess> StartAsync()
    {
        await File.WriteAllTextAsync(_path + ".json", JsonSerializer.Serialize(new object[] { new { clusterID = sites.A.Name, monitors = sites.A.Monitors } }));
        return await ServerProcess.AttachAsync(
            ServerProcess.Start([
                "serve", "--csi-addons-endpoint", $"unix://{_path}.sock", "--cluster-config", _path + ".json", "--cluster-mapping", _path + ".none",
                "--http-endpoint", Address.ToString(), "--volume-metrics-interval", "500ms", "--log-format", "text",
            ]),
            _path + ".sock");
    }

    // With any call the server learns of the pool and gets a key for it.
    private Task<Grpc.Core.Status> AskAsync(ServerProcess server, TestVolume volume) =>
        Rpc.StatusAsync(server.Replication, Rpc.GetDestination, new() { Source = RpcArguments.Volume(volume.Handle.ToString()), Secrets = sites.A.Secrets });

    [Fact(Explicit = true)]
    public async Task A_volume_is_safe_to_fail_over_then_split_brain_while_one_looks_and_a_restart_is_survived()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await volume.PromoteAsync(sites.A, interval: "5m");
        await volume.WriteAsync(sites.A, 0, new byte[4096]);
        await volume.TakeSnapshotAsync(sites.A);
        await using var browser = await Chromium.StartAsync();
        var row = $"[...document.querySelectorAll('#rows tr')].find(tr => tr.textContent.includes('pvc-{volume.Handle.Uuid}'))";
        string Cell(string column) => $"({row})?.querySelector('[data-c={column}]').textContent";
        const string connection = "document.getElementById('connection-text').textContent";

        await using (var server = await StartAsync())
        {
            await browser.OpenAsync(Address);
            await browser.UntilAsync("document.getElementById('none').textContent.startsWith('No mirrored volume is known yet')", "the page says that nothing is known yet");
            await AskAsync(server, volume);
            await browser.UntilAsync($"{Cell("health")} === 'healthy' && {Cell("safe")}.startsWith('yes to 20')", "the volume is safe to fail over");
            Assert.Equal("primary", await browser.TextAsync(Cell("role")));
            var info = await volume.GetInfoAsync(sites.A);
            Assert.Contains($"yes to {info.LastSyncTime.ToDateTimeOffset():yyyy-MM-dd HH:mm:ss} UTC", await browser.TextAsync(Cell("safe")), StringComparison.Ordinal);

            await volume.PromoteAsync(sites.B, force: true);
            await volume.DemoteAsync(sites.A, force: true);
            await browser.UntilAsync($"{Cell("message")}.includes('split-brain') && {Cell("health")} === 'error' && {Cell("safe")}.startsWith('no')", "the split-brain shows");
        }
        await browser.UntilAsync($"{connection}.startsWith('Without a connection')", "the page misses the server");
        await using var next = await StartAsync();
        await AskAsync(next, volume);
        await browser.UntilAsync($"{connection} === 'Live' && {Cell("health")} === 'error'", "it is found again");
        Assert.Empty(browser.Errors);
    }
}
