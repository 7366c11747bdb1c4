using System.Diagnostics;
using RbdReplication.Ceph;

namespace RbdReplication.CephTests.Sandbox;

/// <summary>
/// A client that has an image open, as a node has, and answers nothing any more: what is told to all that have the image open waits
/// until its watch ends, half a minute later.
/// </summary>
public sealed class FrozenClient : IDisposable
{
    private readonly Process _process;

    private FrozenClient(Process process, string address) => (_process, Address) = (process, address);

    /// <summary>Its network address, as the image's watchers have it.</summary>
    public string Address { get; }

    /// <summary>Starts one on an image that nobody else has open.</summary>
    public static async Task<FrozenClient> StartAsync(Site site, TestVolume volume)
    {
        var process = Process.Start(new ProcessStartInfo("rbd", ["-c", site.ConfFile, "watch", $"{TwoSites.Pool}/{volume.ImageName}"])
        {
            // It watches until its input ends.
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        try
        {
            var watcher = await Eventually.GetAsync(async () => await OnlyWatcherAsync(site, volume), "the client alone has the image open");
            await ProcessOutput.OfAsync("kill", "-STOP", process.Id.ToString());
            return new FrozenClient(process, watcher.Address);
        }
        catch
        {
            process.Kill();
            throw;
        }
    }

    private static async Task<ImageWatcher?> OnlyWatcherAsync(Site site, TestVolume volume)
    {
        await using var image = await volume.OpenAsync(site);
        return await image.ListWatchersAsync(CancellationToken.None) is [var watcher] ? watcher : null;
    }

    public void Dispose()
    {
        _process.Kill();
        _process.Dispose();
    }
}
