using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace RbdReplication.Csi.Hosting;

/// <summary>Whether the server has been asked to stop; readiness and gRPC health answer by it.</summary>
internal sealed class Draining(IHostApplicationLifetime lifetime) : IHealthCheck
{
    public bool HasBegun => lifetime.ApplicationStopping.IsCancellationRequested;

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(HasBegun ? HealthCheckResult.Unhealthy("draining") : HealthCheckResult.Healthy());
}
