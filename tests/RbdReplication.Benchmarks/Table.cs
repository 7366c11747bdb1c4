using System.Globalization;
using System.Text;

namespace RbdReplication.Benchmarks;

/// <summary>Figures as rows of a Markdown table.</summary>
internal static class Table
{
    /// <param name="title">Printed above the table.</param>
    /// <param name="columns">The first is text, the others are figures.</param>
    public static void Begin(string title, params string[] columns)
    {
        Console.WriteLine();
        Console.WriteLine(title);
        Console.WriteLine();
        Row(columns);
        Row([.. columns.Select((_, i) => i == 0 ? "---" : "---:")]);
    }

    public static void Row(params string[] cells) => Console.WriteLine($"| {string.Join(" | ", cells)} |");

    public static string Milliseconds(TimeSpan time) => time.TotalMilliseconds.ToString("0.00", CultureInfo.InvariantCulture);

    public static string Seconds(TimeSpan time) => time.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture);

    public static string Number(double value, string format = "0.0") => value.ToString(format, CultureInfo.InvariantCulture);

    public static T Median<T>(IEnumerable<T> values)
    {
        var sorted = values.Order().ToList();
        return sorted[sorted.Count / 2];
    }

    /// <summary>Where and how loaded: without that no time means anything.</summary>
    public static async Task<string> MachineAsync(BenchSite site)
    {
        var text = new StringBuilder();
        var cpu = (await File.ReadAllLinesAsync("/proc/cpuinfo")).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal));
        text.Append(CultureInfo.InvariantCulture, $"{Environment.ProcessorCount} x {cpu?.Split(':')[1].Trim()}, ");
        text.Append(CultureInfo.InvariantCulture, $"{(await CephTests.Sandbox.ProcessOutput.OfAsync("ceph", "-c", site.ConfFile, "--version")).Split(' ')[2]}, ");
        text.Append(CultureInfo.InvariantCulture, $"load average {(await File.ReadAllTextAsync("/proc/loadavg")).Split(' ')[0]} before the run");
        return text.ToString();
    }
}
