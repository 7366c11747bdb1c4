using System.Net.Sockets;
using System.Text;

namespace RbdReplication.Ceph;

/// <summary>
/// Which addresses of monitors are alive. Where librados finds one that answers nothing it goes on trying, and keeps to itself
/// that another one has refused the user (16.2).
/// </summary>
internal static class MonitorProbe
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    // A monitor speaks first: msg/async/ProtocolV1.cc and ProtocolV2.cc.
    private static readonly byte[] BannerV1 = Encoding.ASCII.GetBytes("ceph v02");
    private static readonly byte[] BannerV2 = Encoding.ASCII.GetBytes("ceph v2\n");

    /// <summary>
    /// The addresses at which a monitor greets in the protocol of the address, within a second. Null: all do, or none, so that
    /// to ask only these changes nothing.
    /// </summary>
    public static async Task<MonitorList?> FindAliveAsync(MonitorList monitors)
    {
        var addresses = monitors.Addresses.ToList();
        var alive = await Task.WhenAll(addresses.Select(IsAliveAsync)).ConfigureAwait(false);
        var living = addresses.Where((_, i) => alive[i]).ToHashSet();
        return monitors.Where(living.Contains);
    }

    private static async Task<bool> IsAliveAsync(MonitorAddress address)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        using var giveUp = new CancellationTokenSource(Patience);
        var banner = address.Protocol == MonitorProtocol.V1 ? BannerV1 : BannerV2;
        var greeting = new byte[banner.Length];
        try
        {
            await socket.ConnectAsync(address.Ip!, address.Port, giveUp.Token).ConfigureAwait(false);
            await using var stream = new NetworkStream(socket);
            await stream.ReadExactlyAsync(greeting, giveUp.Token).ConfigureAwait(false);
            return greeting.AsSpan().SequenceEqual(banner);
        }
        catch (Exception e) when (e is SocketException or IOException or OperationCanceledException)
        {
            return false;
        }
    }
}
