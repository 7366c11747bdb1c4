using System.CommandLine;
using RbdReplication.Core;
using RbdReplication.Csi.Composition;
using RbdReplication.Csi.Hosting;
using RbdReplication.Csi.Page;
using RbdReplication.Csi.VolumeMetrics;

namespace RbdReplication.Csi.Cli;

/// <summary><c>serve</c>: the gRPC server.</summary>
internal static class ServeCommand
{
    public const string Name = "serve";

    // Reports come every half minute: what is older says nothing that a new one would.
    private static readonly TimeSpan LongestStatusAge = TimeSpan.FromSeconds(30);

    public static Command Create()
    {
        var endpoint = Flags.Endpoint("--csi-addons-endpoint", "unix:///csi/csi-addons.sock", "Socket that the CSI-Addons sidecar connects to", "unix");
        var group = Flags.Group("--socket-group", "Group that may connect to the socket, by name or number; without it the process's own");
        var driverName = Flags.Text("--driver-name", "rbd.csi.ceph.com", "CSI driver name; equals the provisioner of the VolumeReplicationClass");
        var http = Flags.Text("--http-endpoint", "http://0.0.0.0:8080", "Where the page, /api/v1/volumes, /metrics, /healthz, /readyz and /operations are served; \"\" for nowhere");
        var forward = Flags.OptionalEndpoint("--forward-endpoint", "Socket of the driver's own CSI-Addons server: calls of services that are not served here go on to it; without it they are UNIMPLEMENTED", "unix");
        var groups = Flags.Switch("--volume-groups", "Serve volume groups: make, change and list them");
        var timeout = Flags.Duration("--operation-timeout", TimeSpan.FromSeconds(150), "Longest time that one call takes");
        var stopTimeout = Flags.Duration("--stop-timeout", TimeSpan.FromSeconds(45), "Longest time that a server which was asked to stop waits for the changes under way; at least 10 s less than the pod's grace period");
        var statusAge = Flags.DurationOrZero("--status-max-age", TimeSpan.FromSeconds(5), "How old the statuses of a pool may be, read for all its volumes at once, that GetVolumeReplicationInfo is answered from; 0 opens the image for each call", LongestStatusAge);
        var metricsInterval = Flags.DurationOrZero("--volume-metrics-interval", TimeSpan.FromSeconds(60), "Time between two listings of the volumes for their metrics; 0 for no such metrics");
        var maximumSeries = Flags.Number("--max-volume-series", 5000, 1, 20000, "How many volumes get metrics of their own; the healthiest are left out first");
        var pageStreams = Flags.Number("--max-page-streams", 8, 0, ServeLimits.PageStreams, "How many open pages are kept up to date at once; those beyond it ask every 30 s");
        var shared = new SharedFlags();
        http.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string>() is { Length: > 0 } text && !IsHttp(text))
                result.AddError($"--http-endpoint is \"{text}\", and must be a URI such as http://0.0.0.0:8080, or empty");
        });

        var command = new Command(Name, "Serve CSI-Addons Identity and Replication on a unix socket.")
        {
            endpoint, group, driverName, forward, groups, http, timeout, stopTimeout, statusAge, metricsInterval, maximumSeries, pageStreams,
        };
        shared.AddTo(command);
        command.SetAction((parsed, cancellationToken) => ServeHost.RunAsync(new ServeHostOptions
        {
            Host = shared.Host(parsed, http),
            SocketPath = parsed.GetRequiredValue(endpoint).LocalPath,
            SocketGroup = parsed.GetValue(group),
            DriverName = parsed.GetRequiredValue(driverName),
            ForwardSocketPath = parsed.GetValue(forward)?.LocalPath,
            VolumeGroups = parsed.GetValue(groups) ? new GroupOptions(parsed.GetRequiredValue(shared.InstanceId)) : null,
            OperationTimeout = parsed.GetRequiredValue(timeout),
            StopTimeout = parsed.GetRequiredValue(stopTimeout),
            StatusMaximumAge = parsed.GetRequiredValue(statusAge),
            VolumeMetrics = new VolumeMetricsOptions
            {
                Interval = parsed.GetRequiredValue(metricsInterval),
                MaximumVolumeSeries = parsed.GetRequiredValue(maximumSeries),
            },
            Page = new PageOptions(parsed.GetRequiredValue(pageStreams)),
        }, cancellationToken));
        return command;
    }

    internal static bool IsHttp(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme == Uri.UriSchemeHttp && uri.PathAndQuery == "/";
}

/// <summary>Options that several commands have.</summary>
internal sealed class SharedFlags
{
    public Option<string> InstanceId { get; } = Flags.Text("--instance-id", "default", "ceph-csi's instance id, part of the journal's object names");

    public Option<string> ClusterConfig { get; } = Flags.Text("--cluster-config", "/etc/ceph-csi-config/config.json", "ceph-csi's cluster configuration");

    public Option<string> ClusterMapping { get; } = Flags.Text("--cluster-mapping", "/etc/ceph-csi-config/cluster-mapping.json", "ceph-csi's cluster mapping; may be missing");

    public Option<string> LogLevel { get; } = Flags.Choice("--log-level", "info", "Lowest level that is logged", "trace", "debug", "info", "warn", "error");

    public Option<string> LogFormat { get; } = Flags.Choice("--log-format", "json", "Form of log lines", "json", "text");

    public void AddTo(Command command)
    {
        command.Options.Add(InstanceId);
        command.Options.Add(ClusterConfig);
        command.Options.Add(ClusterMapping);
        command.Options.Add(LogLevel);
        command.Options.Add(LogFormat);
    }

    /// <summary>What both commands that keep running are told.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="http">The command's own option for the endpoint of metrics and probes.</param>
    public CommandHostOptions Host(ParseResult parsed, Option<string> http) => new()
    {
        ClusterConfigPath = parsed.GetRequiredValue(ClusterConfig),
        ClusterMappingPath = parsed.GetRequiredValue(ClusterMapping),
        HttpEndpoint = parsed.GetRequiredValue(http) is { Length: > 0 } uri ? new Uri(uri) : null,
        LogLevel = Level(parsed),
        LogJson = parsed.GetRequiredValue(LogFormat) == "json",
    };

    private LogLevel Level(ParseResult parsed) => parsed.GetRequiredValue(LogLevel) switch
    {
        "trace" => Microsoft.Extensions.Logging.LogLevel.Trace,
        "debug" => Microsoft.Extensions.Logging.LogLevel.Debug,
        "warn" => Microsoft.Extensions.Logging.LogLevel.Warning,
        "error" => Microsoft.Extensions.Logging.LogLevel.Error,
        _ => Microsoft.Extensions.Logging.LogLevel.Information,
    };
}
