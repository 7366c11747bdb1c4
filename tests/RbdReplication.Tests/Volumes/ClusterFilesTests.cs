using System.Runtime.InteropServices;
using System.Text;
using RbdReplication.Core;

namespace RbdReplication.Tests;

public sealed class ClusterFilesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("cluster-files-").FullName;
    private readonly List<(string Path, string? Problem)> _reports = [];

    private string ConfigPath => Path.Combine(_folder, "config.json");

    private string MappingPath => Path.Combine(_folder, "cluster-mapping.json");

    private ClusterFiles Files() => new(ConfigPath, MappingPath, (path, problem) => _reports.Add((path, problem)));

    private static string Config(string id) => $$"""[{"clusterID":"{{id}}","monitors":["m"]}]""";

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    // As the kubelet does it: config.json -> ..data/config.json, ..data -> a folder with the content, swapped by renaming a link.
    private void Mount(string config)
    {
        var version = Directory.CreateDirectory(Path.Combine(_folder, "..version" + Guid.NewGuid().ToString("N"))).Name;
        File.WriteAllText(Path.Combine(_folder, version, "config.json"), config);
        var data = Path.Combine(_folder, "..data");
        var fresh = Path.Combine(_folder, "..data_tmp");
        File.CreateSymbolicLink(fresh, version);
        Assert.Equal(0, Rename(Bytes(fresh), Bytes(data)));
        if (!File.Exists(ConfigPath))
            File.CreateSymbolicLink(ConfigPath, "..data/config.json");
    }

    // File.Move does not replace a link to a folder.
    [DllImport("libc", EntryPoint = "rename"), DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Rename(byte[] from, byte[] to);

    private static byte[] Bytes(string path) => Encoding.UTF8.GetBytes(path + '\0');

    [Fact]
    public void A_config_map_that_kubernetes_swaps_is_in_force_at_once()
    {
        Mount(Config("first"));
        var files = Files();
        Assert.Equal(["first"], files.Read().Config.ClusterIds);
        Mount(Config("second"));
        Assert.Equal(["second"], files.Read().Config.ClusterIds);
        Assert.Empty(_reports);
    }

    [Fact]
    public void An_unchanged_file_is_not_parsed_again()
    {
        Mount(Config("c"));
        var files = Files();
        var first = files.Read().Config;
        Mount(Config("c"));
        Assert.Same(first, files.Read().Config);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("")]
    public void A_broken_new_file_keeps_the_old_one_in_force_and_is_reported_once(string broken)
    {
        Mount(Config("good"));
        var files = Files();
        _ = files.Read();
        Mount(broken);
        for (var i = 0; i < 3; i++)
            Assert.Equal(["good"], files.Read().Config.ClusterIds);
        Assert.Equal(ConfigPath, Assert.Single(_reports).Path);
        Assert.NotNull(_reports[0].Problem);
        Mount(Config("good"));
        Assert.Equal(["good"], files.Read().Config.ClusterIds);
        Assert.Equal((ConfigPath, null), _reports[1]);
        Assert.Equal(2, _reports.Count);
    }

    [Fact]
    public void A_file_that_goes_away_and_comes_back_the_same_is_good_again()
    {
        File.WriteAllText(ConfigPath, Config("good"));
        var files = Files();
        _ = files.Read();
        File.Delete(ConfigPath);
        Assert.Equal(["good"], files.Read().Config.ClusterIds);
        File.WriteAllText(ConfigPath, Config("good"));
        _ = files.Read();
        _ = files.Read();
        Assert.Equal(2, _reports.Count);
        Assert.NotNull(_reports[0].Problem);
        Assert.Null(_reports[1].Problem);
    }

    [Fact]
    public void Without_any_good_configuration_calls_are_told_to_come_again()
    {
        var files = Files();
        var e = Assert.Throws<ReplicationException>(files.Read);
        Assert.Equal(ReplicationError.Unavailable, e.Error);
        Assert.Contains(ConfigPath, e.Message, StringComparison.Ordinal);
        Assert.Throws<ReplicationException>(files.Read);
        Assert.Single(_reports);
        File.WriteAllText(ConfigPath, Config("good"));
        Assert.Equal(["good"], files.Read().Config.ClusterIds);
    }

    [Fact]
    public void A_missing_mapping_maps_nothing_and_an_empty_one_is_an_error()
    {
        File.WriteAllText(ConfigPath, Config("a"));
        var files = Files();
        Assert.Empty(files.Read().Mapping.LocationsFor("a", 1));
        File.WriteAllText(MappingPath, """[{"clusterIDMapping":{"a":"b"},"RBDPoolIDMapping":[{"1":"2"}]}]""");
        Assert.Equal([("b", 2L)], files.Read().Mapping.LocationsFor("a", 1));
        File.WriteAllText(MappingPath, "");
        Assert.Equal([("b", 2L)], files.Read().Mapping.LocationsFor("a", 1));
        Assert.Equal(MappingPath, Assert.Single(_reports).Path);
        File.Delete(MappingPath);
        Assert.Empty(files.Read().Mapping.LocationsFor("a", 1));
        Assert.Null(_reports[^1].Problem);
    }

    [Fact]
    public async Task Readers_at_the_same_time_always_see_a_whole_configuration()
    {
        Mount(Config("first"));
        var files = Files();
        using var stop = new CancellationTokenSource();
        var readers = Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
                Assert.Contains(Assert.Single(files.Read().Config.ClusterIds), (string[])["first", "second"]);
        })).ToList();
        for (var i = 0; i < 200; i++)
            Mount(Config(i % 2 == 0 ? "second" : "first"));
        await stop.CancelAsync();
        await Task.WhenAll(readers);
        Assert.Empty(_reports);
    }
}
