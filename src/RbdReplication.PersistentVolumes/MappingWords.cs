using Microsoft.Extensions.Logging;

namespace RbdReplication.PersistentVolumes;

/// <summary>How <see cref="MappingReports"/> tells of one kind of objects.</summary>
internal sealed record MappingWords
{
    public required Action<ReconcileResult> Count { get; init; }

    public required Action<ILogger, string, string, ReconcileOutcome> Fails { get; init; }

    public required Action<ILogger, string, string, ReconcileResult> Recovered { get; init; }

    public required Action<ILogger, string, string, ReconcileResult> Mapped { get; init; }

    /// <summary>Of the Event that ends a failure.</summary>
    public required string Recovery { get; init; }

    /// <summary>PersistentVolumes.</summary>
    public static MappingWords ForVolumes(GeneratorTelemetry telemetry) => new()
    {
        Count = telemetry.CountOutcome,
        Fails = static (logger, name, handle, outcome) => Log.VolumeFails(logger, name, handle, outcome.Result, outcome.Message),
        Recovered = Log.VolumeRecovered,
        Mapped = Log.VolumeMapped,
        Recovery = "the volume's image can be found by the CSI driver now",
    };

    /// <summary>VolumeGroupReplicationContents.</summary>
    public static MappingWords ForGroups(GeneratorTelemetry telemetry) => new()
    {
        Count = telemetry.CountGroupOutcome,
        Fails = static (logger, name, handle, outcome) => Log.GroupFails(logger, name, handle, outcome.Result, outcome.Message),
        Recovered = Log.GroupRecovered,
        Mapped = Log.GroupMapped,
        Recovery = "the group can be found by the CSI driver now",
    };
}
