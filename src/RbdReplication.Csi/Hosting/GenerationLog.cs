using System.Diagnostics.Metrics;
using RbdReplication.Core;

namespace RbdReplication.Csi.Hosting;

/// <summary>Tells log and metrics what became of each generation of a group that was due here.</summary>
internal sealed partial class GenerationLog : IDisposable
{
    private readonly ILogger<GenerationSchedule> _logger;
    private readonly Meter _meter = new(CephMetrics.SourceName);
    private readonly Counter<long> _count;
    private readonly Histogram<double> _hold;

    public GenerationLog(ILogger<GenerationSchedule> logger)
    {
        _logger = logger;
        _count = MetricCatalog.Generations.Counter(_meter);
        _hold = MetricCatalog.GenerationHold.Histogram(_meter);
    }

    /// <summary>Shows the groups that are kept.</summary>
    public void Show(Func<IReadOnlyList<KeptGroup>> groups)
    {
        MetricCatalog.LastGeneration.Observe(_meter, () => Of(groups(), state => state.TakenAt?.ToUnixTimeMilliseconds() / 1000.0));
        MetricCatalog.GenerationInterval.Observe(_meter, () => Of(
            groups(), state => state.Schedule is { } schedule ? ReplicationSchedule.ParseInterval(schedule.Interval)?.TotalSeconds : null));
    }

    private static IEnumerable<Measurement<double>> Of(IReadOnlyList<KeptGroup> groups, Func<GroupState, double?> value) =>
        from kept in groups
        let seen = value(kept.State)
        where seen is not null
        select new Measurement<double>(seen.Value, new KeyValuePair<string, object?>("group", kept.Handle.ToString()));

    public void Report(VolumeHandle group, GenerationAttempt attempt)
    {
        _count.Add(1, new("group", group.ToString()), new KeyValuePair<string, object?>("result", attempt.Outcome));
        if (attempt.Number > 0)
            _hold.Record(attempt.Held.TotalSeconds, new KeyValuePair<string, object?>("group", group.ToString()));
        if (attempt.IsTaken)
            Taken(attempt.Number, group, attempt.Members, attempt.Held.TotalSeconds);
        else
            NotTaken(group, attempt.Problem);
    }

    public void Dispose() => _meter.Dispose();

    [LoggerMessage(EventIds.GenerationTaken, LogLevel.Information, "Generation {Number} of volume group {Group} is taken of {Members} volumes; writers waited for {Held:0.000} s at most")]
    private partial void Taken(long number, VolumeHandle group, int members, double held);

    [LoggerMessage(EventIds.GenerationNotTaken, LogLevel.Warning, "No generation of volume group {Group} was taken, it is tried again: {Problem}")]
    private partial void NotTaken(VolumeHandle group, string problem);
}
