using System.Diagnostics;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Groups;

/// <summary>A client that has the lock of an image and answers nothing, as a node that hangs: for half a minute, then Ceph takes the lock from it.</summary>
internal sealed class FrozenWriter : IDisposable
{
    private readonly Process _process;

    private FrozenWriter(Process process) => _process = process;

    /// <param name="site">Where.</param>
    /// <param name="volume">The image, whose first bytes it writes.</param>
    /// <param name="others">Addresses of those who write to it as well.</param>
    public static async Task<FrozenWriter> StartAsync(Site site, TestVolume volume, params IEnumerable<string> others)
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
            await Eventually.TrueAsync(async () => (await image.Lock.ListOwnersAsync(CancellationToken.None)).Except(others).Any(), "it writes");
            await frozen.SignalAsync("-STOP");
            return frozen;
        }
        catch
        {
            frozen.Dispose();
            throw;
        }
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
