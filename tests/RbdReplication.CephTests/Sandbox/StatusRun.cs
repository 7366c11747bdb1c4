using System.Diagnostics;
using System.Text.Json;

namespace RbdReplication.CephTests.Sandbox;

/// <summary>The command <c>status</c> with a site's configuration and secret.</summary>
internal static class StatusRun
{
    /// <summary>Starts it.</summary>
    public static Process Start(Site site, params string[] options)
    {
        // Tests run side by side.
        var secret = Path.Combine(TwoSites.Folder, site.Name, $"{Guid.NewGuid():N}.secret");
        File.WriteAllText(secret, JsonSerializer.Serialize(site.Secrets));
        // Its own limit is for people: what a test waits for comes, however busy the machine is.
        string[] limit = options.Contains("--timeout") ? [] : ["--timeout", "5m"];
        return ServerProcess.Start(["status", "--cluster-config", site.ConfigPath, "--secret-file", secret, .. limit, .. options]);
    }

    /// <summary>Runs it to its end.</summary>
    public static async Task<(int ExitCode, string Output, string Error)> RunAsync(Site site, params string[] options)
    {
        using var process = Start(site, options);
        return await ProcessOutput.OfAsync(process);
    }
}
