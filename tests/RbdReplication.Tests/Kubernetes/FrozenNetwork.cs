using System.Net;
using System.Net.Sockets;

namespace RbdReplication.Tests.Kubernetes;

/// <summary>A relay to a local port that can stop passing anything on, as a network does whose other end has gone without a word.</summary>
public sealed class FrozenNetwork : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _freeze = new();
    private readonly List<TcpClient> _ends = [];
    private readonly int _target;

    public FrozenNetwork(int target)
    {
        _target = target;
        _listener.Start();
        _ = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public void Freeze() => _freeze.Cancel();

    public void Dispose()
    {
        _freeze.Cancel();
        _listener.Dispose();
        _ends.ForEach(end => end.Dispose());
        _freeze.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var near = await _listener.AcceptTcpClientAsync(_freeze.Token);
                var far = new TcpClient();
                _ends.AddRange([near, far]);
                await far.ConnectAsync(IPAddress.Loopback, _target, _freeze.Token);
                _ = PassOnAsync(near, far);
                _ = PassOnAsync(far, near);
            }
        }
        catch (OperationCanceledException)
        {
            // Both ends stay open, and nothing moves any more.
        }
    }

    private async Task PassOnAsync(TcpClient from, TcpClient to)
    {
        try
        {
            await from.GetStream().CopyToAsync(to.GetStream(), _freeze.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or ObjectDisposedException)
        {
            // Frozen, or one of them hung up.
        }
    }
}
