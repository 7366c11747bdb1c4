using Microsoft.Extensions.Diagnostics.HealthChecks;
using RbdReplication.Core;

namespace RbdReplication.Csi.Hosting;

/// <summary>
/// Stops the server in steps: once it has been asked to, readiness and gRPC health say so and no change is begun any more, while
/// those under way are waited for, whether or not their callers still are; only then the endpoints and the connections are closed.
/// </summary>
internal sealed partial class Draining(
    VolumeGate gate, DrainingOptions options, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<Draining> logger)
    : IHostedLifecycleService, IHealthCheck
{
    /// <summary>Whether the server has been asked to stop.</summary>
    public bool HasBegun => lifetime.ApplicationStopping.IsCancellationRequested;

    /// <inheritdoc/>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        var last = gate.CloseAsync();
        if (!last.IsCompleted)
            Waiting(gate.Pending.Count, options.StopTimeout.TotalSeconds);
        await last.WaitAsync(options.StopTimeout, time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var operation in gate.Pending)
            LeftBehind(operation.Operation, operation.Volume, (time.GetUtcNow() - operation.StartedAt).TotalSeconds, MeaningOf(operation));
    }

    private static string MeaningOf(PendingOperation operation) => operation.Operation == VolumeReplication.ForcedPromotionName
        ? "where it was rolling back a half-copied snapshot the image now mixes two points in time; promote it again, which succeeds or says so with DATA_LOSS"
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

    [LoggerMessage(EventIds.StopWaits, LogLevel.Information, "Stopping: waiting up to {Seconds:0} s for {Count} changes that are under way")]
    private partial void Waiting(int count, double seconds);

    [LoggerMessage(EventIds.OperationLeftBehind, LogLevel.Error, "Stopping: {Operation} of volume {VolumeHandle} is left behind after {Seconds:0} s; {Meaning}")]
    private partial void LeftBehind(string operation, VolumeHandle volumeHandle, double seconds, string meaning);
}

/// <summary>How a server stops.</summary>
/// <param name="StopTimeout">Longest time that it waits for the changes under way.</param>
internal sealed record DrainingOptions(TimeSpan StopTimeout);
