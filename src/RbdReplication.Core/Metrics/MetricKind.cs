namespace RbdReplication.Core;

/// <summary>What kind of instrument a metric is.</summary>
public enum MetricKind
{
    /// <summary>Distribution of durations.</summary>
    Histogram,

    /// <summary>Only grows.</summary>
    Counter,

    /// <summary>A number of things now, which can be added up.</summary>
    UpDownCounter,

    /// <summary>A value now.</summary>
    Gauge,
}
