using Microsoft.Extensions.Logging;
using RbdReplication.Core;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Events;
using RbdReplication.Kubernetes.Informers;
using RbdReplication.Kubernetes.Leases;
using RbdReplication.Kubernetes.Secrets;
using RbdReplication.Kubernetes.Volumes;

namespace RbdReplication.PersistentVolumes;

/// <summary>Keeps mappings while this process is the elected leader.</summary>
public sealed class OmapGenerator(
    KubernetesApi api, ClusterFiles files, ClusterConnections connections, GeneratorTelemetry telemetry, OmapGeneratorOptions options,
    TimeProvider time, ILoggerFactory loggers)
{
    private const string Component = "rbd-replication-omap-generator";

    private readonly SecretReader _secrets = new(api, time);
    // Of the process, not of a term as leader: which cluster has once accepted a key is known while it is down.
    private readonly Places _places = new(connections, time);
    private readonly EventRecorder _events = new(api, Component, time, loggers.CreateLogger<EventRecorder>());
    private volatile VolumeMapController? _term;
    private volatile LeaseElection? _election;

    /// <summary>
    /// Not ready until, as leader, every volume has been checked once. While another replica leads, there is nothing to check.
    /// </summary>
    public (bool IsReady, string State) Readiness => _term switch
    {
        { HasPassed: true } => (true, "ok"),
        { } term => (false, $"first pass: {term.QueueDepth} volumes to check"),
        null => _election is { IsFollower: true } ? (true, "standby") : (false, "waiting for the lease"),
    };

    /// <summary>Works until <paramref name="stop"/>, then gives the lease back.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var writing = _events.RunAsync(ending.Token);
        var lease = LeaseElectionOptions.ForDriver(options.DriverName, options.LeaderElectionNamespace ?? api.Namespace ?? "default");
        var election = new LeaseElection(api, lease, time, loggers.CreateLogger<LeaseElection>());
        try
        {
            _election = election;
            await election.RunAsync(LeadAsync, stop);
        }
        finally
        {
            _election = null;
            await ending.CancelAsync();
            await writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task LeadAsync(Leadership leadership)
    {
        var opener = new JournalOpener(connections, _places, _secrets.ReadAsync, _secrets.Forget, options.InstanceId, time);
        var reconciler = new Reconciler(files, opener, new ReconcileOptions(options.SetMetadata, options.ClusterName, DryRun: false));
        var informer = new Informer<PersistentVolume>(
            api, new PersistentVolumeResource(options.DriverName), new InformerOptions(), time, loggers.CreateLogger<PersistentVolumeResource>());
        using var term = new VolumeMapController(
            informer, reconciler, new ImageLookup(files, opener), _events, telemetry, options, time, loggers.CreateLogger<VolumeMapController>());
        _term = term;
        telemetry.Observe(term);
        try
        {
            await term.RunAsync(leadership);
        }
        finally
        {
            telemetry.Observe(null);
            _term = null;
        }
    }
}
