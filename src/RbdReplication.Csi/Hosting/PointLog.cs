using System.Diagnostics.Metrics;
using RbdReplication.Core;

namespace RbdReplication.Csi.Hosting;

/// <summary>Tells log and metrics what became of each consistency point of a volume that was due here.</summary>
internal sealed partial class PointLog : IDisposable
{
    private readonly ILogger<PointSchedule> _logger;
    private readonly Meter _meter = new(CephMetrics.SourceName);
    private readonly Counter<long> _count;

    public PointLog(ILogger<PointSchedule> logger)
    {
        _logger = logger;
        _count = MetricCatalog.Points.Counter(_meter);
    }

    public void Report(VolumeHandle volume, PointName? point, string problem)
    {
        _count.Add(1, new KeyValuePair<string, object?>("result", point is null ? "Failed" : "Taken"));
        if (point is { } taken)
            Taken(taken.Name, volume);
        else
            NotTaken(volume, problem);
    }

    public void Dispose() => _meter.Dispose();

    [LoggerMessage(EventIds.PointTaken, LogLevel.Information, "Consistency point {Point} of volume {VolumeHandle} is taken")]
    private partial void Taken(string point, VolumeHandle volumeHandle);

    [LoggerMessage(EventIds.PointNotTaken, LogLevel.Warning, "No consistency point of volume {VolumeHandle} was taken, it is tried again: {Problem}")]
    private partial void NotTaken(VolumeHandle volumeHandle, string problem);
}
