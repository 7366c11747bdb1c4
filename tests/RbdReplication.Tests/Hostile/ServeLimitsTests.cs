using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Csi.Hosting;
using RbdReplication.Tests.Deploy;

namespace RbdReplication.Tests.Hostile;

public sealed class ServeLimitsTests
{
    // The sidecar exits when its connection is lost: csi-lib-utils, ExitOnConnectionLoss.
    [Fact]
    public void An_idle_connection_of_the_sidecar_is_never_closed()
    {
        var limits = new KestrelServerLimits();
        ServeLimits.Apply(limits);
        Assert.InRange(limits.KeepAliveTimeout, TimeSpan.FromDays(365), TimeSpan.FromDays(36500));
    }

    [Fact]
    public void The_security_page_has_the_limits_of_the_code()
    {
        var page = File.ReadAllText(Path.Combine(Manifests.Repository, "docs", "security.md"));
        string[] rows =
        [
            $"| request message | {ServeLimits.MessageBytes / 1024} KiB |",
            $"| calls under way | {ServeLimits.Calls} |",
            $"| of these, calls that are with the driver | {ServeLimits.ForwardedCalls} |",
            $"| calls under way on one connection | {ServeLimits.StreamsPerConnection} |",
            $"| connections | {ServeLimits.Connections} to the socket, {ServeLimits.Connections} to the HTTP endpoint |",
            $"| headers of a request | {ServeLimits.HeaderCount}, together {ServeLimits.HeaderBytes / 1024} KiB |",
            $"| time to begin a connection, or to send headers | {ServeLimits.HeaderTime.TotalSeconds} s |",
            $"| life of a connection to the HTTP endpoint | {ServeLimits.HttpConnectionTime.TotalSeconds} s |",
            $"| open pages that are kept up to date | `--max-page-streams`, at most {ServeLimits.PageStreams} |",
            $"| time in which such a page takes one event | {ServeLimits.EventTime.TotalSeconds} s |",
        ];
        Assert.All(rows, row => Assert.Contains(row, page, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_probes_answer_while_all_connections_to_the_socket_are_taken()
    {
        var folder = Directory.CreateTempSubdirectory("full-").FullName;
        var path = Path.Combine(folder, "x.sock");
        await File.WriteAllTextAsync(Path.Combine(folder, "config.json"), "[]");
        var port = StartAndStopTests.FreePort();
        var process = ServerProcess.Start(
            ["serve", "--csi-addons-endpoint", "unix://" + path, "--cluster-config", Path.Combine(folder, "config.json"), "--http-endpoint", $"http://127.0.0.1:{port}"]);
        await using (await ServerProcess.AttachAsync(process, path))
        {
            var connections = Enumerable.Range(0, ServeLimits.Connections * 2).Select(_ => RawConnection.Begin(path)).ToList();
            using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
            Assert.Equal("ok\n", await http.GetStringAsync(new Uri("/healthz", UriKind.Relative)));
            connections.ForEach(connection => connection.Dispose());
        }
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task The_HTTP_endpoint_closes_after_each_request()
    {
        var folder = Directory.CreateTempSubdirectory("http-").FullName;
        var path = Path.Combine(folder, "x.sock");
        var port = StartAndStopTests.FreePort();
        var process = ServerProcess.Start(["serve", "--csi-addons-endpoint", "unix://" + path, "--http-endpoint", $"http://127.0.0.1:{port}"]);
        await using (await ServerProcess.AttachAsync(process, path))
        {
            foreach (var (request, answer) in (IEnumerable<(string, string)>)[
                ("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200"),
                ("GET /healthz HTTP/1.1\r\n" + string.Concat(Enumerable.Range(0, 10_000).Select(i => $"x-{i}: v\r\n")) + "\r\n", "HTTP/1.1 431"),
                ("\0\x1\x2 garbage\r\n\r\n", "HTTP/1.1 400"),
                ("POST /replication.Controller/PromoteVolume HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc\r\nContent-Length: 5\r\n\r\n\0\0\0\0\0", "HTTP/1.1 426"),
            ])
            {
                using var client = new TcpClient("127.0.0.1", port);
                await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request));
                using var reader = new StreamReader(client.GetStream(), Encoding.ASCII);
                Assert.StartsWith(answer, await reader.ReadToEndAsync(), StringComparison.Ordinal);
            }
        }
        Directory.Delete(folder, recursive: true);
    }
}
