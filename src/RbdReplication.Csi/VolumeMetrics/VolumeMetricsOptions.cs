namespace RbdReplication.Csi.VolumeMetrics;

/// <summary>Settings of the metrics of single volumes; each is a command-line option of the same name.</summary>
internal sealed record VolumeMetricsOptions
{
    /// <summary>Time between two listings of the volumes for their metrics; zero for none.</summary>
    public required TimeSpan Interval { get; init; }

    /// <summary>How many volumes get metrics of their own.</summary>
    public required int MaximumVolumeSeries { get; init; }
}
