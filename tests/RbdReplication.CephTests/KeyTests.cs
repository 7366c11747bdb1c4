using System.Text;
using Grpc.Core;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

/// <summary>Where the key of a user is after many calls that brought it: in memory that must hold it, and nowhere else.</summary>
[Collection("Faults")]
public sealed class KeyTests(TwoSites sites)
{
    // What the runtime has not used again yet. Keeping one copy a call would be 900.
    private const int Garbage = 300;

    private string Key => sites.A.Secrets["userKey"];

    // Type, time and length come before the secret, and are no secret.
    private byte[] Secret => Convert.FromBase64String(Key)[12..];

    private object[] Clusters => [new { clusterID = sites.A.Name, monitors = sites.A.Monitors }];

    private async Task CallAsync(ServerProcess server, TestVolume volume, int count)
    {
        string[] calls = [Rpc.Enable, Rpc.Promote, Rpc.GetInfo, Rpc.GetDestination, Rpc.Enable];
        await Parallel.ForEachAsync(Enumerable.Range(0, count), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, _) =>
        {
            // One in ten fails: a failure must not keep the key either.
            var handle = i % 10 == 0 ? "no handle" : volume.Handle.ToString();
            var status = await Rpc.StatusAsync(server.Replication, calls[i % calls.Length], new() { Source = RpcArguments.Volume(handle), Secrets = sites.A.Secrets });
            Assert.True(
                status.StatusCode is StatusCode.OK or StatusCode.Aborted or StatusCode.NotFound or StatusCode.FailedPrecondition or StatusCode.InvalidArgument, $"{status}");
        });
    }

    // Calls without a key: what they allocate makes the runtime collect and use again what the others have left.
    private static async Task ChurnAsync(ServerProcess server) => await Parallel.ForEachAsync(
        Enumerable.Range(0, 3000), new ParallelOptions { MaxDegreeOfParallelism = 8 },
        async (_, _) => await Rpc.StatusAsync(server.Replication, Rpc.Promote, new() { Source = RpcArguments.Volume(new string('x', 100_000)) }));

    private (int Utf8, int Utf16, int Raw) Copies(ServerProcess server)
    {
        var counts = ProcessMemory.Count(server.ProcessId, Encoding.ASCII.GetBytes(Key), Encoding.Unicode.GetBytes(Key), Secret);
        return (counts[0], counts[1], counts[2]);
    }

    [Fact]
    public async Task After_a_thousand_calls_the_key_is_in_no_log_metric_environment_argument_or_file_and_its_copies_in_memory_have_not_multiplied()
    {
        await using var server = await OwnServer.StartAsync(Clusters, options: ["--log-level", "trace"]);
        var volume = await TestVolume.CreateAsync(sites.A);
        await CallAsync(server, volume, 100);
        await ChurnAsync(server);
        var few = Copies(server);
        await CallAsync(server, volume, 900);
        var fresh = Copies(server);
        await ChurnAsync(server);
        var many = Copies(server);
        TestContext.Current.TestOutputHelper?.WriteLine($"copies after 100 calls {few}, after 1,000 {fresh}, and when others have used the memory {many}");
        // The search finds what it must: librados holds the key as text and as bytes.
        Assert.True(few.Utf8 > 0 && few.Raw > 0, $"{few}");
        Assert.InRange(many.Utf8 - few.Utf8, int.MinValue, Garbage);
        Assert.InRange(many.Utf16 - few.Utf16, int.MinValue, Garbage);
        Assert.InRange(many.Raw - few.Raw, int.MinValue, Garbage);

        var secret = Encoding.Latin1.GetString(Secret);
        void Nowhere(string where, string text)
        {
            Assert.True(text.Length > 0, where);
            Assert.False(text.Contains(Key, StringComparison.Ordinal) || text.Contains(secret, StringComparison.Ordinal), $"the key is in {where}");
        }

        Nowhere("the log", server.Log);
        foreach (var path in (string[])["/metrics", "/operations", "/readyz"])
            Nowhere(path, await Scrape.GetAsync(server, path));
        foreach (var name in (string[])["environ", "cmdline", "maps"])
            Nowhere(name, Encoding.Latin1.GetString(await File.ReadAllBytesAsync($"/proc/{server.ProcessId}/{name}")));
        foreach (var file in OpenFiles(server))
            Nowhere(file, Encoding.Latin1.GetString(await File.ReadAllBytesAsync(file)) + " ");
        foreach (var thread in Directory.GetDirectories($"/proc/{server.ProcessId}/task"))
            Nowhere("the name of a thread", await File.ReadAllTextAsync(Path.Combine(thread, "comm")));
    }

    // Plain files that it could have written to.
    private static IEnumerable<string> OpenFiles(ServerProcess server) =>
        from entry in Directory.GetFileSystemEntries($"/proc/{server.ProcessId}/fd")
        let target = new FileInfo(entry).LinkTarget
        where target is not null && Path.IsPathRooted(target) && !target.StartsWith("/dev/", StringComparison.Ordinal) && File.Exists(target)
            && File.GetAttributes(target) is FileAttributes.Normal
        select target;

    [Fact]
    public async Task Everything_works_as_a_user_without_rights_on_file_systems_that_are_read_only_but_for_the_sockets_folder()
    {
        var folder = Directory.CreateTempSubdirectory("unprivileged-").FullName;
        var socket = Path.Combine(folder, "x.sock");
        var config = Path.Combine(folder, "config.json");
        await File.WriteAllTextAsync(config, System.Text.Json.JsonSerializer.Serialize(Clusters));
        File.SetUnixFileMode(folder, (UnixFileMode)0b111_101_101);
        await ProcessOutput.OfAsync("chown", OtherUser.Id, folder);
        // A mount namespace of its own, in which all is read-only but that folder; /tmp too, where .NET would put its pipes.
        var script = "mount --make-rprivate / && mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro / && mount -o remount,bind,rw \"$1\" && shift && exec \"$@\"";
        var process = OtherUser.StartWith(
            ["unshare", "--mount", "sh", "-ec", script, "sh", folder],
            ["serve", "--csi-addons-endpoint", "unix://" + socket, "--http-endpoint", "", "--cluster-config", config, "--log-format", "text"]);
        await using (var server = await ServerProcess.AttachAsync(process, socket))
        {
            Assert.Contains("\nUid:\t10001\t10001\t10001\t10001\n", await File.ReadAllTextAsync($"/proc/{server.ProcessId}/status"), StringComparison.Ordinal);
            Assert.Matches(@"(?m)^\S+ / \S+ ro[, ]", await File.ReadAllTextAsync($"/proc/{server.ProcessId}/mounts"));
            var volume = await TestVolume.CreateAsync(sites.A);
            foreach (var call in (string[])[Rpc.Enable, Rpc.Promote, Rpc.Disable])
            {
                var status = await Rpc.StatusAsync(server.Replication, call, new() { Source = volume.Source, Secrets = sites.A.Secrets });
                Assert.True(status.StatusCode == StatusCode.OK, $"{call}: {status}");
            }
            Assert.Equal(["config.json", "x.sock"], Directory.GetFileSystemEntries(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
            Assert.Equal(0, await server.TerminateAsync());
        }
        Directory.Delete(folder, recursive: true);
    }
}
