using System.Diagnostics;
using System.Text.Json;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Groups;

/// <summary>A client that has the lock of an image and answers nothing, as a node that hangs: for half a minute, then Ceph takes the lock from it.</summary>
internal sealed class FrozenWriter : IDisposable
{
    private readonly Process _process;

    private FrozenWriter(Process process) => _process = process;

    /// <param name="site">Where.</param>
    /// <param name="volume">The image, whose first bytes it writes; others may write to it as well.</param>
    public static async Task<FrozenWriter> StartAsync(Site site, TestVolume volume)
    {
        var process = Process.Start(new ProcessStartInfo(
            "rbd", ["-c", site.ConfFile, "bench", "--io-type", "write", "--io-size", "512", "--io-threads", "1", "--io-total", "1T", $"{TwoSites.Pool}/{volume.ImageName}"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        var frozen = new FrozenWriter(process);
        try
        {
            await using var image = await volume.OpenAsync(site, readOnly: false);
            var address = await Eventually.GetAsync(() => AddressAsync(site, image), "it has the image open");
            await Eventually.TrueAsync(
                async () =>
                {
                    await frozen.SignalAsync("-STOP");
                    if (await image.Lock.ListOwnersAsync(CancellationToken.None) is [var owner] && owner == address)
                        return true;
                    await frozen.ResumeAsync();
                    return false;
                }, "it has the lock");
            return frozen;
        }
        catch
        {
            frozen.Dispose();
            throw;
        }
    }

    // It alone writes as admin.
    private static async Task<string?> AddressAsync(Site site, RbdImage image)
    {
        using var sessions = JsonDocument.Parse(await site.CephAsync("tell", "mon.a", "sessions", "--format", "json"));
        var admins = sessions.RootElement.EnumerateArray().Where(session => session.GetProperty("entity_name").GetString() == "client.admin")
            .SelectMany(session => session.GetProperty("addrs").GetProperty("addrvec").EnumerateArray())
            .Select(address => $"{address.GetProperty("addr").GetString()}/{address.GetProperty("nonce").GetUInt64()}").ToHashSet();
        return (await image.ListWatchersAsync(CancellationToken.None)).Select(watcher => watcher.Address).FirstOrDefault(admins.Contains);
    }

    /// <summary>Lets it go on, upon which it gives the lock to whoever wants it.</summary>
    public Task ResumeAsync() => SignalAsync("-CONT");

    private async Task SignalAsync(string signal) => await ProcessOutput.OfAsync("kill", signal, _process.Id.ToString());

    public void Dispose()
    {
        _process.Kill();
        _process.Dispose();
    }
}
