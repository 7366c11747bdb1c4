using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;

namespace RbdReplication.Ceph;

/// <summary>
/// A process of its own in which librbd takes snapshots for one connection. Where another client, the manager's scheduler or
/// somebody's <c>rbd mirror image snapshot</c>, takes a mirror snapshot of the same image at the same moment, librbd finds the other's, newest
/// and not complete, takes the peers off it, cannot remove it, and calls itself until the stack is used up (16.2). So that ends this process and
/// not the one that serves, whose caller asks again.
/// </summary>
/// <remarks>
/// It is the same executable, see <see cref="ApartProgram"/>, started for the first order and ended when there was none within
/// half a minute, or with the connection, and killed when it does not answer for longer than the order may take. It takes any
/// number of them at once.
/// </remarks>
internal sealed class ApartProcess : IDisposable
{
    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(30);

    private readonly ApartWork _work;
    private readonly RadosCluster _cluster;
    private readonly RadosConnectionOptions _options;
    private readonly Lock _lock = new();
    private readonly Timer _idle;
    private Process? _process;
    private Dictionary<int, TaskCompletionSource<ApartAnswer>> _orders = [];
    private int _number;

    public ApartProcess(ApartWork work, RadosCluster cluster, RadosConnectionOptions options)
    {
        _work = work;
        _cluster = cluster;
        _options = options;
        _idle = new Timer(_ => CloseIfIdle());
    }

    /// <summary>Has it do something, and returns what it answers; EBUSY: it has ended meanwhile, or cannot be started.</summary>
    /// <param name="pool">Pool and rados namespace of the images.</param>
    /// <param name="imageIds">The images.</param>
    /// <param name="generation">A generation; null: a mirror snapshot of the one image.</param>
    /// <param name="subject">What it is about, for traces.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<ApartAnswer> RunAsync(
        RadosPool pool, IReadOnlyList<string> imageIds, GenerationOrder? generation, string subject, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var activity = CephTelemetry.StartCall(_work.Function, subject);
        var started = Stopwatch.GetTimestamp();
        var patience = 2 * _options.OperationTimeout + (generation is null ? TimeSpan.Zero : GenerationRun.LongestHold(generation.MaximumHold));
        var answer = await AnswerAsync(Order(pool, imageIds, generation), patience, cancellationToken).ConfigureAwait(false);
        CephTelemetry.EndCall(_work.Function, -(long)answer.Errno, Stopwatch.GetElapsedTime(started), activity);
        return answer;
    }

    // A process that hangs, unlike a call of librbd that does, can be ended.
    private async Task<ApartAnswer> AnswerAsync(Task<ApartAnswer> order, TimeSpan patience, CancellationToken cancellationToken)
    {
        try
        {
            return await order.WaitAsync(patience, cancellationToken).ConfigureAwait(false);
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

    private Task<ApartAnswer> Order(RadosPool pool, IReadOnlyList<string> imageIds, GenerationOrder? generation)
    {
        lock (_lock)
        {
            var order = new ApartOrder(_number++, pool.Id, pool.Namespace, imageIds, generation);
            try
            {
                _process ??= Start();
                _process.StandardInput.WriteLine(JsonSerializer.Serialize(order, ApartLines.Default.ApartOrder));
            }
            // The container may have no memory or no process number left, or the process has ended just now.
            catch (Exception e) when (e is Win32Exception or IOException)
            {
                return Task.FromResult(Failed(order.Number, $"the process that takes {_work.Thing}s cannot be reached: {e.Message}; retry"));
            }
            _idle.Change(Timeout.Infinite, Timeout.Infinite);
            return (_orders[order.Number] = new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    private Process Start()
    {
        var process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [_work.Argument])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        // librados and the runtime write lines that are no log of ours.
        process.BeginErrorReadLine();
        var connection = new ApartConnection(
            _options.Monitors.ToString(), _options.User, _options.Key.Base64, _options.ConnectTimeout, _options.OperationTimeout, _cluster.InstanceId);
        process.StandardInput.WriteLine(JsonSerializer.Serialize(connection, ApartLines.Default.ApartConnection));
        _ = ListenAsync(process, _orders = []);
        return process;
    }

    private async Task ListenAsync(Process process, Dictionary<int, TaskCompletionSource<ApartAnswer>> orders)
    {
        try
        {
            while (await process.StandardOutput.ReadLineAsync().ConfigureAwait(false) is { } line)
                Take(process, orders, JsonSerializer.Deserialize(line, ApartLines.Default.ApartAnswer)!);
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
                    $"the process that took the {_work.Thing} ended with status {process.ExitCode}, as librbd ends it where another client takes a mirror snapshot at the same moment; retry"));
            }
        }
        process.Dispose();
    }

    private void Take(Process process, Dictionary<int, TaskCompletionSource<ApartAnswer>> orders, ApartAnswer answer)
    {
        lock (_lock)
        {
            if (orders.Remove(answer.Number, out var order))
                order.SetResult(answer);
            if (orders.Count == 0 && process == _process)
                _idle.Change(IdleTime, Timeout.InfiniteTimeSpan);
        }
    }

    private ApartAnswer Failed(int number, string detail) => new(number, Errno.EBUSY, _work.Function, detail);

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
