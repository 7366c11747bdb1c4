using Microsoft.Extensions.Logging;
using RbdReplication.Core;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Events;
using RbdReplication.Kubernetes.Groups;
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
    private readonly VolumeGroupClassReader _classes = new(api, time);
    // Of the process, not of a term as leader: which cluster has once accepted a key is known while it is down.
    private readonly Places _places = new(connections, time);
    // Of the process as well: a write that outlives a term is not begun again beside it.
    private readonly GroupRegeneration _regeneration = new(new GroupOperations(new VolumeGate(time), new VolumeLocks(Environment.MachineName, time), connections), time);
    private readonly EventRecorder _events = new(api, Component, time, loggers.CreateLogger<EventRecorder>());
    private volatile GeneratorTerm? _term;
    private volatile LeaseElection? _election;

    /// <summary>
    /// Not ready until, as leader, every volume and group has been checked once. While another replica leads, there is nothing to check.
    /// </summary>
    public (bool IsReady, string State) Readiness => _term switch
    {
        { HasPassed: true } => (true, "ok"),
        { } term => (false, $"first pass: {term.QueueDepth} volumes and groups to check"),
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
        using var volumes = Volumes(opener);
        using var groups = Groups(opener);
        var term = new GeneratorTerm(volumes, groups);
        _term = term;
        telemetry.Observe(term);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(leadership.Token);
        try
        {
            await Task.WhenAll(KeepAsync(volumes.RunAsync), KeepAsync(groups.RunAsync));
        }
        finally
        {
            telemetry.Observe(null);
            _term = null;
        }

        // What ends one of them, a bug, ends the term.
        async Task KeepAsync(Func<Leadership, CancellationToken, Task> keep)
        {
            try
            {
                await keep(leadership, stop.Token);
            }
            finally
            {
                await stop.CancelAsync();
            }
        }
    }

    private VolumeMapController Volumes(JournalOpener opener)
    {
        var reconciler = new Reconciler(files, opener, new ReconcileOptions(options.SetMetadata, options.ClusterName, DryRun: false));
        var informer = new Informer<PersistentVolume>(
            api, new PersistentVolumeResource(options.DriverName), new InformerOptions(), time, loggers.CreateLogger<PersistentVolumeResource>());
        return new VolumeMapController(
            informer, reconciler, new ImageLookup(files, opener), _events, telemetry, options, time, loggers.CreateLogger<VolumeMapController>());
    }

    private GroupMapController Groups(JournalOpener opener)
    {
        var reconciler = new GroupReconciler(files, opener, _regeneration, _classes.ReadAsync, dryRun: false);
        var informer = new Informer<VolumeGroupContent>(
            api, new VolumeGroupContentResource(options.DriverName), new InformerOptions(), time, loggers.CreateLogger<VolumeGroupContentResource>());
        return new GroupMapController(informer, reconciler, _events, telemetry, options, time, loggers.CreateLogger<GroupMapController>());
    }
}
