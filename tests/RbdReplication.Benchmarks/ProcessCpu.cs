using System.Globalization;

namespace RbdReplication.Benchmarks;

/// <summary>Processor time of a process up to now, from <c>/proc</c>.</summary>
/// <param name="Total">Of all its threads; of another process in clock ticks of 10 ms.</param>
/// <param name="Children">Of its children that have ended.</param>
/// <param name="Ceph">Of the threads that librados and librbd have started.</param>
internal sealed record ProcessCpu(TimeSpan Total, TimeSpan Children, TimeSpan Ceph)
{
    private const int TicksPerSecond = 100;

    // Fields of proc_pid_stat(5), counted from the one after the name.
    private const int UserTime = 11;
    private const int ChildrenUserTime = 13;

    public static ProcessCpu Of(int processId)
    {
        var fields = Fields($"/proc/{processId}/stat");
        var total = processId == Environment.ProcessId ? Environment.CpuUsage.TotalTime : Seconds(fields, UserTime);
        return new ProcessCpu(total, Seconds(fields, ChildrenUserTime), OfCeph(processId));
    }

    public static ProcessCpu operator -(ProcessCpu later, ProcessCpu earlier) =>
        new(later.Total - earlier.Total, later.Children - earlier.Children, later.Ceph - earlier.Ceph);

    public static ProcessCpu operator /(ProcessCpu cpu, double calls) => new(cpu.Total / calls, cpu.Children / calls, cpu.Ceph / calls);

    private static TimeSpan OfCeph(int processId)
    {
        var nanoseconds = 0L;
        foreach (var thread in Directory.GetDirectories($"/proc/{processId}/task"))
        {
            try
            {
                if (IsCeph(File.ReadAllText(thread + "/comm").Trim()))
                    nanoseconds += long.Parse(File.ReadAllText(thread + "/schedstat").Split(' ')[0], CultureInfo.InvariantCulture);
            }
            // Ended since it was listed.
            catch (IOException)
            {
            }
        }
        return TimeSpan.FromTicks(nanoseconds / TimeSpan.NanosecondsPerTick);
    }

    // Names that librados 16 to 20 give: msgr-worker-0, io_context_pool, ms_dispatch, fn_anonymous, tp_librbd, safe_timer, service, log.
    private static bool IsCeph(string name) => name is "log" or "service" or "admin_socket" or "ceph_timer" or "safe_timer" or "io_context_pool"
        || name.StartsWith("msgr-", StringComparison.Ordinal) || name.StartsWith("ms_", StringComparison.Ordinal)
        || name.StartsWith("fn", StringComparison.Ordinal) || name.StartsWith("tp_", StringComparison.Ordinal)
        || name.StartsWith("taskfin", StringComparison.Ordinal);

    private static string[] Fields(string path)
    {
        var text = File.ReadAllText(path);
        return text[(text.LastIndexOf(')') + 2)..].Split(' ');
    }

    // User and system time stand side by side.
    private static TimeSpan Seconds(string[] fields, int first) => TimeSpan.FromSeconds(
        (double)(long.Parse(fields[first], CultureInfo.InvariantCulture) + long.Parse(fields[first + 1], CultureInfo.InvariantCulture)) / TicksPerSecond);
}
