using System.Buffers.Binary;
using System.Collections.Concurrent;
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
    private readonly ConcurrentQueue<DateTimeOffset> _acknowledged = new();
    private readonly bool _isOwner;

    private GroupWriter(OtherClient client, IReadOnlyList<RbdImage> images, string address, ulong offset, bool isOwner)
    {
        (_client, _images, Address, Offset, _isOwner) = (client, images, address, offset, isOwner);
        _writing = WriteAsync();
    }

    /// <summary>Its network address, as the owner of a lock.</summary>
    public string Address { get; }

    /// <summary>Where in each image the numbers are.</summary>
    public ulong Offset { get; }

    /// <summary>The last number that all images have.</summary>
    public long Rounds => _acknowledged.Count;

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
        return await GoingOnAsync(new GroupWriter(client, images, own.Address, offset, isOwner: true));
    }

    /// <summary>Starts one more that writes at the same time through the same client, elsewhere in the same images. It is disposed of first.</summary>
    public Task<GroupWriter> StartBesideAsync(ulong offset) => GoingOnAsync(new GroupWriter(_client, _images, Address, offset, isOwner: false));

    private static async Task<GroupWriter> GoingOnAsync(GroupWriter writer)
    {
        await writer.GoesOnAsync();
        return writer;
    }

    /// <summary>The last number that all images had for certain at an instant of the past.</summary>
    public long RoundsAt(DateTimeOffset instant) => _acknowledged.Count(time => time <= instant);

    /// <summary>An instant at which a number was not written yet, the latest that is known of.</summary>
    public DateTimeOffset Before(ulong number) => number < 2 ? DateTimeOffset.MinValue : _acknowledged.ElementAt((int)number - 2);

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
            _acknowledged.Enqueue(DateTimeOffset.UtcNow);
        }
    }

    /// <summary>Stops it when all images have the same number.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _writing;
    }

    /// <summary>Stops it where its site was lost for a while: writes may have failed.</summary>
    public async Task AbandonAsync()
    {
        try
        {
            await StopAsync();
        }
        catch (CephException)
        {
        }
        await CloseAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await CloseAsync();
    }

    private async Task CloseAsync()
    {
        _stop.Dispose();
        if (!_isOwner)
            return;
        foreach (var image in _images)
            await image.DisposeAsync();
        await _client.DisposeAsync();
    }
}
