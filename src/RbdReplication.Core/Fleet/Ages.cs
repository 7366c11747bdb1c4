using System.Globalization;

namespace RbdReplication.Core;

/// <summary>Spans of time for people.</summary>
public static class Ages
{
    /// <summary>As the Kubernetes tools write ages: 45s, 12m, 3h20m, 2d4h.</summary>
    public static string Text(TimeSpan time) => time switch
    {
        { TotalMinutes: < 2 } => string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalSeconds}s"),
        { TotalHours: < 2 } => string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalMinutes}m"),
        { TotalDays: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalHours}h{time.Minutes}m"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalDays}d{time.Hours}h"),
    };
}
