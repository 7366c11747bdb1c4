using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using RbdReplication.Ceph;
using RbdReplication.Core;

namespace RbdReplication.CephTests.Sandbox;

/// <summary>A drill of a test's own at a site, by the command.</summary>
public sealed class DrillCalls(Site site, RadosPool pool)
{
    public string Name { get; } = "d" + Guid.NewGuid().ToString("N")[..10];

    private readonly string _secret = Path.Combine(TwoSites.Folder, site.Name, $"{Guid.NewGuid():N}.secret");

    /// <summary>Starts the command with a site's configuration and secret.</summary>
    public Process Start(string command, params string[] options)
    {
        File.WriteAllText(_secret, JsonSerializer.Serialize(site.Secrets));
        return ServerProcess.Start(["drill", command, .. options, "--cluster-config", site.ConfigPath, "--cluster-mapping", site.MappingPath, "--secret-file", _secret]);
    }

    /// <summary>Runs it to its end.</summary>
    public async Task<(int ExitCode, string Output, string Error)> RunAsync(string command, params string[] options)
    {
        using var process = Start(command, options);
        return await ProcessOutput.OfAsync(process);
    }

    /// <summary>Makes it, and returns what the command tells.</summary>
    public async Task<JsonElement> CreateAsync(params string[] options)
    {
        var (code, output, error) = await RunAsync("create", [Name, "-o", "json", .. options]);
        Assert.True(code == 0, error);
        return JsonDocument.Parse(output).RootElement;
    }

    /// <summary>The same for single volumes.</summary>
    public Task<JsonElement> CreateOfAsync(params TestVolume[] volumes) => CreateAsync([.. volumes.SelectMany(volume => new[] { "--volume", volume.Handle.ToString() })]);

    /// <summary>What it is refused with.</summary>
    public async Task<string> RefusedAsync(string command, params string[] options)
    {
        var (code, _, error) = await RunAsync(command, [Name, .. options]);
        Assert.Equal(1, code);
        return error;
    }

    /// <summary>Removes it. A process that was killed has what it had open for half a minute more.</summary>
    public async Task RemoveAsync()
    {
        await Eventually.TrueAsync(
            async () =>
            {
                var (code, _, error) = await RunAsync("remove", Name, "--cluster-id", ClusterId);
                return code == 0 ? true : throw new InvalidOperationException(error);
            }, $"drill {Name} is removed");
    }

    private string ClusterId => pool.Namespace.Length == 0 ? site.Name : "tenant";

    /// <summary>What the list tells of it; null if nothing.</summary>
    public async Task<JsonElement?> ListedAsync()
    {
        var (code, output, error) = await RunAsync("list", "-o", "json", "--cluster-id", ClusterId);
        Assert.True(code == 0, error);
        var mine = JsonDocument.Parse(output).RootElement.GetProperty("drills").EnumerateArray().Where(drill => drill.GetProperty("name").GetString() == Name).ToList();
        return mine.Count == 0 ? null : Assert.Single(mine);
    }

    /// <summary>Names of the clones.</summary>
    public static string[] ImagesOf(JsonElement drill) => [.. drill.GetProperty("volumes").EnumerateArray().Select(volume => volume.GetProperty("image").GetString()!)];

    public Task<RbdImage> OpenAsync(string image, bool readOnly = true) => RbdImage.OpenAsync(pool, image, readOnly, CancellationToken.None);

    /// <summary>A digest of all bytes of a clone.</summary>
    public async Task<string> DigestAsync(string name)
    {
        await using var image = await OpenAsync(name);
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var data = new byte[1 << 20];
        for (ulong offset = 0; offset < await image.GetSizeBytesAsync(CancellationToken.None); offset += (ulong)data.Length)
        {
            await image.ReadAsync(offset, data, CancellationToken.None);
            digest.AppendData(data);
        }
        return Convert.ToHexString(digest.GetHashAndReset());
    }

    /// <summary>Waits for the end of an image that was kept in the trash for it, which the mirror daemon sees to, and the OSDs to that of its snapshots' data.</summary>
    public Task AwaitSourceGoneAsync(string imageId) => Eventually.TrueAsync(
        async () => !(await ListObjectsAsync()).Any(one => one.Contains(imageId, StringComparison.Ordinal)), $"image {imageId} is gone from the trash");

    private async Task<string[]> ListObjectsAsync()
    {
        string[] place = pool.Namespace.Length == 0 ? ["-p", pool.Name] : ["-p", pool.Name, "-N", pool.Namespace];
        return (await site.RadosAsync([.. place, "ls"])).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>That nothing of it is left at the site, by the names of its objects and what is in the objects that all share.</summary>
    /// <param name="traces">What nothing may be called any more: uuids and ids of its images.</param>
    public async Task AssertGoneAsync(params IEnumerable<string> traces)
    {
        string[] all = [Name, .. traces];
        var objects = await ListObjectsAsync();
        Assert.All(all, trace => Assert.DoesNotContain(objects, one => one.Contains(trace, StringComparison.Ordinal)));
        foreach (var shared in objects.Where(one => one is "rbd_directory" or "rbd_trash" or "rbd_children" or "csi.volumes.default" or "rbd-replication.drills"))
        {
            var entries = await pool.ListOmapBytesAsync(shared, "", CancellationToken.None) ?? new Dictionary<string, byte[]>();
            Assert.All(all, trace => Assert.DoesNotContain(
                entries, entry => entry.Key.Contains(trace, StringComparison.Ordinal) || Encoding.Latin1.GetString(entry.Value).Contains(trace, StringComparison.Ordinal)));
        }
    }

    /// <summary>Uuids and ids of its images.</summary>
    public async Task<string[]> TracesAsync(JsonElement drill)
    {
        List<string> traces = [];
        foreach (var name in ImagesOf(drill))
        {
            await using var image = await OpenAsync(name);
            traces.AddRange([name[^36..], image.GetId()]);
        }
        return [.. traces];
    }
}
