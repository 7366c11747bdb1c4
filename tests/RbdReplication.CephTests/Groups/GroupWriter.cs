using System.Buffers.Binary;
using System.Diagnostics;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Groups;

/// <summary>
/// Writes increasing numbers to each of several images in turn, one after the other, through a client of its own, until it is stopped. Of one
/// instant are only states of which each number is that of the image before it, or one less from some image on.
/// </summary>
internal sealed class GroupWriter : IAsyncDisposable
{
    private readonly OtherClient _client;
    private readonly IReadOnlyList<RbdImage> _images;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _writing;
    private long _rounds;

    private GroupWriter(OtherClient client, IReadOnlyList<RbdImage> images, string address, ulong offset)
    {
        (_client, _images, Address, Offset) = (client, images, address, offset);
        _writing = WriteAsync();
    }

    /// <summary>Its network address, as the owner of a lock.</summary>
    public string Address { get; }

    /// <summary>Where in each image the numbers are.</summary>
    public ulong Offset { get; }

    /// <summary>The last number that all images have.</summary>
    public long Rounds => Interlocked.Read(ref _rounds);

    /// <summary>The longest that a write has taken.</summary>
    public TimeSpan Slowest { get; private set; }

    /// <param name="site">Where to write.</param>
    /// <param name="members">To what.</param>
    /// <param name="offset">Where in each image; writers of different places fight for the locks.</param>
    public static async Task<GroupWriter> StartAsync(Site site, IEnumerable<TestVolume> members, ulong offset = 0)
    {
        var client = await OtherClient.ConnectAsync(site);
        var images = await Task.WhenAll(members.Select(volume => client.OpenAsync(volume.ImageName)));
        var own = (await images[0].ListWatchersAsync(CancellationToken.None)).Single(watcher => watcher.ClientId == (long)client.Pool.Cluster.InstanceId);
        var writer = new GroupWriter(client, images, own.Address, offset);
        await writer.GoesOnAsync();
        return writer;
    }

    /// <summary>Waits until it has written to all images once more.</summary>
    public async Task GoesOnAsync()
    {
        var before = Rounds;
        await Eventually.TrueAsync(() => Task.FromResult(Rounds > before + 1 || _writing.IsFaulted), "the writer goes on");
        Assert.False(_writing.IsFaulted, $"{_writing.Exception}");
    }

    private async Task WriteAsync()
    {
        var bytes = new byte[sizeof(ulong)];
        for (var number = 1; !_stop.IsCancellationRequested; number++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, (ulong)number);
            foreach (var image in _images)
            {
                var started = Stopwatch.GetTimestamp();
                await image.WriteAsync(Offset, bytes, CancellationToken.None);
                var took = Stopwatch.GetElapsedTime(started);
                Slowest = took > Slowest ? took : Slowest;
            }
            Interlocked.Increment(ref _rounds);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _writing;
        foreach (var image in _images)
            await image.DisposeAsync();
        await _client.DisposeAsync();
        _stop.Dispose();
    }
}
