using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;

namespace RbdReplication.Ceph;

/// <summary>
/// A process of its own in which librbd takes mirror snapshots for one connection. Where another client, the manager's scheduler or
/// somebody's <c>rbd mirror image snapshot</c>, takes one of the same image at the same moment, librbd finds the other's, newest and not
/// complete, takes the peers off it, cannot remove it, and calls itself until the stack is used up (16.2). So that ends this process and
/// not the one that serves, whose caller asks again.
/// </summary>
/// <remarks>
/// It is the same executable, see <see cref="SnapshotTaking"/>, started for the first snapshot and ended when none was asked for within
/// half a minute, or with the connection, and killed when it does not answer for twice as long as an operation may take. It takes any
/// number of them at once.
/// </remarks>
internal sealed class SnapshotProcess : IDisposable
{
    /// <summary>The one argument with which the executable takes mirror snapshots and does nothing else.</summary>
    public const string Argument = "take-mirror-snapshots";

    private const string Function = "rbd_aio_mirror_image_create_snapshot";
    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(30);

    private readonly RadosCluster _cluster;
    private readonly RadosConnectionOptions _options;
    private readonly Lock _lock = new();
    private readonly Timer _idle;
    private Process? _process;
    private Dictionary<int, TaskCompletionSource<SnapshotAnswer>> _orders = [];
    private int _number;

    public SnapshotProcess(RadosCluster cluster, RadosConnectionOptions options)
    {
        _cluster = cluster;
        _options = options;
        _idle = new Timer(_ => CloseIfIdle());
    }

    /// <summary>Takes a mirror snapshot of a primary image.</summary>
    /// <exception cref="CephException">
    /// EINVAL: a secondary, or mirrored by journal. EBUSY: the process has ended meanwhile, or cannot be started.
    /// </exception>
    public async Task TakeAsync(RbdImage image, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var activity = CephTelemetry.StartCall(Function, image.Spec);
        var started = Stopwatch.GetTimestamp();
        var answer = await AnswerAsync(Order(image), cancellationToken).ConfigureAwait(false);
        CephTelemetry.EndCall(Function, -(long)answer.Errno, Stopwatch.GetElapsedTime(started), activity);
        if (answer.Errno != 0)
            throw new CephException(answer.Errno, answer.Function, image.Spec, answer.Detail);
    }

    // A process that hangs, unlike a call of librbd that does, can be ended.
    private async Task<SnapshotAnswer> AnswerAsync(Task<SnapshotAnswer> order, CancellationToken cancellationToken)
    {
        try
        {
            return await order.WaitAsync(2 * _options.OperationTimeout, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            lock (_lock)
            {
                if (!order.IsCompleted)
                    _process?.Kill();
            }
            return await order.ConfigureAwait(false);
        }
    }

    private Task<SnapshotAnswer> Order(RbdImage image)
    {
        lock (_lock)
        {
            var order = new SnapshotOrder(_number++, image.Pool.Id, image.Pool.Namespace, image.GetId());
            try
            {
                _process ??= Start();
                _process.StandardInput.WriteLine(JsonSerializer.Serialize(order, SnapshotLines.Default.SnapshotOrder));
            }
            // The container may have no memory or no process number left, or the process has ended just now.
            catch (Exception e) when (e is Win32Exception or IOException)
            {
                return Task.FromResult(Failed(order.Number, $"the process that takes mirror snapshots cannot be reached: {e.Message}; retry"));
            }
            _idle.Change(Timeout.Infinite, Timeout.Infinite);
            return (_orders[order.Number] = new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    private Process Start()
    {
        var process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [Argument])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        // librados and the runtime write lines that are no log of ours.
        process.BeginErrorReadLine();
        var connection = new SnapshotConnection(
            _options.Monitors.ToString(), _options.User, _options.Key.Base64, _options.ConnectTimeout, _options.OperationTimeout, _cluster.InstanceId);
        process.StandardInput.WriteLine(JsonSerializer.Serialize(connection, SnapshotLines.Default.SnapshotConnection));
        _ = ListenAsync(process, _orders = []);
        return process;
    }

    private async Task ListenAsync(Process process, Dictionary<int, TaskCompletionSource<SnapshotAnswer>> orders)
    {
        try
        {
            while (await process.StandardOutput.ReadLineAsync().ConfigureAwait(false) is { } line)
                Take(process, orders, JsonSerializer.Deserialize(line, SnapshotLines.Default.SnapshotAnswer)!);
        }
        // What it was writing when it ended.
        catch (Exception e) when (e is JsonException or IOException)
        {
            process.Kill();
        }
        await process.WaitForExitAsync().ConfigureAwait(false);
        lock (_lock)
        {
            if (process == _process)
                _process = null;
            foreach (var (number, order) in orders)
            {
                order.SetResult(Failed(
                    number,
                    $"the process that took the mirror snapshot ended with status {process.ExitCode}, as librbd ends it where another client takes one at the same moment; retry"));
            }
        }
        process.Dispose();
    }

    private void Take(Process process, Dictionary<int, TaskCompletionSource<SnapshotAnswer>> orders, SnapshotAnswer answer)
    {
        lock (_lock)
        {
            if (orders.Remove(answer.Number, out var order))
                order.SetResult(answer);
            if (orders.Count == 0 && process == _process)
                _idle.Change(IdleTime, Timeout.InfiniteTimeSpan);
        }
    }

    private static SnapshotAnswer Failed(int number, string detail) => new(number, Errno.EBUSY, Function, detail);

    private void CloseIfIdle()
    {
        lock (_lock)
        {
            if (_orders.Count == 0)
                Close();
        }
    }

    // It ends what it has begun first.
    private void Close()
    {
        _process?.StandardInput.Close();
        _process = null;
    }

    /// <summary>Lets it end what it has begun.</summary>
    public void Dispose()
    {
        lock (_lock)
            Close();
        _idle.Dispose();
    }
}
