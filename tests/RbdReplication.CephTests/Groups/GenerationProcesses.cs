using System.Diagnostics;
using System.Globalization;

namespace RbdReplication.CephTests.Groups;

/// <summary>The processes in which a process has generations taken.</summary>
internal static class GenerationProcesses
{
    /// <summary>Their numbers.</summary>
    public static HashSet<string> Of(int parent) => [.. Directory.GetDirectories("/proc/", "*")
        .Select(folder => Path.GetFileName(folder)).Where(name => name.All(char.IsAsciiDigit))
        .Where(pid => Read(pid, "status").Contains($"PPid:\t{parent.ToString(CultureInfo.InvariantCulture)}\n", StringComparison.Ordinal)
            && Read(pid, "cmdline").Contains("take-generations", StringComparison.Ordinal))];

    /// <summary>Kills one as <c>kill -9</c> does, if it has not ended.</summary>
    public static void Kill(string pid)
    {
        try
        {
            using var process = Process.GetProcessById(int.Parse(pid, CultureInfo.InvariantCulture));
            process.Kill();
        }
        catch (ArgumentException)
        {
        }
    }

    private static string Read(string pid, string file)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/{file}");
        }
        catch (IOException)
        {
            return "";
        }
    }
}
