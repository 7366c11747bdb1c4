using Microsoft.Extensions.Diagnostics.HealthChecks;
using RbdReplication.Core;

namespace RbdReplication.Csi.Hosting;

/// <summary>
/// Stops the server in steps: once it has been asked to, readiness and gRPC health say so, no change is begun and no call forwarded any
/// more, while those under way are waited for, changes whether or not their callers still are; only then the endpoints and the
/// connections are closed.
/// </summary>
internal sealed partial class Draining(
    VolumeGate gate, ForwardedCalls forwarded, DrainingOptions options, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<Draining> logger)
    : IHostedLifecycleService, IHealthCheck
{
    // A client that writes to a connection that is closed already, an answer to a ping or more room for bytes, takes it for broken and drops what it
    // has not read of it: the last answer.
    private static readonly TimeSpan ReadTime = TimeSpan.FromMilliseconds(250);

    /// <summary>Whether the server has been asked to stop.</summary>
    public bool HasBegun => lifetime.ApplicationStopping.IsCancellationRequested;

    /// <inheritdoc/>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        var last = Task.WhenAll(gate.CloseAsync(), forwarded.CloseAsync());
        var waited = !last.IsCompleted;
        if (waited)
            Waiting(gate.Pending.Count, forwarded.Count, options.StopTimeout.TotalSeconds);
        await last.WaitAsync(options.StopTimeout, time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var operation in gate.Pending)
            LeftBehind(operation.Operation, operation.Volume, (time.GetUtcNow() - operation.StartedAt).TotalSeconds, MeaningOf(operation));
        if (forwarded.Count is > 0 and var count)
            ForwardedLeftBehind(count, options.StopTimeout.TotalSeconds);
        forwarded.Abandon();
        if (waited)
            await Task.Delay(ReadTime, time, CancellationToken.None).ConfigureAwait(false);
    }

    private static string MeaningOf(PendingOperation operation) => operation.Operation == VolumeReplication.ForcedPromotionName
        ? "where it was rolling back a half-copied snapshot the image now mixes two points in time; promote it by force again, which finishes that"
        : "the next call that asks for the same finishes it";

    /// <inheritdoc/>
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(HasBegun ? HealthCheckResult.Unhealthy("draining") : HealthCheckResult.Healthy());

    /// <inheritdoc/>
    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [LoggerMessage(EventIds.StopWaits, LogLevel.Information, "Stopping: waiting up to {Seconds:0} s for {Count} changes that are under way and {Forwarded} calls that are with the driver")]
    private partial void Waiting(int count, int forwarded, double seconds);

    [LoggerMessage(EventIds.OperationLeftBehind, LogLevel.Error, "Stopping: {Operation} of volume {VolumeHandle} is left behind after {Seconds:0} s; {Meaning}")]
    private partial void LeftBehind(string operation, VolumeHandle volumeHandle, double seconds, string meaning);

    [LoggerMessage(EventIds.ForwardedLeftBehind, LogLevel.Warning, "Stopping: {Count} calls are still with the driver after {Seconds:0} s and are cancelled there; their callers are told to try again")]
    private partial void ForwardedLeftBehind(int count, double seconds);
}

/// <summary>How a server stops.</summary>
/// <param name="StopTimeout">Longest time that it waits for the changes under way and for what is with the driver.</param>
internal sealed record DrainingOptions(TimeSpan StopTimeout);
