using System.Diagnostics;

namespace RbdReplication.CephTests.Sandbox;

/// <summary>Runs a program and gives back what it prints; failing with that if it fails.</summary>
public static class ProcessOutput
{
    /// <summary>Awaits the end of a program that was started, however it ends.</summary>
    public static async Task<(int ExitCode, string Output, string Error)> OfAsync(Process process)
    {
        var error = process.StandardError.ReadToEndAsync(CancellationToken.None);
        var output = await process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        await process.WaitForExitAsync(CancellationToken.None);
        return (process.ExitCode, output, await error);
    }

    public static async Task<string> OfAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (exitCode, output, error) = await OfAsync(process);
        return exitCode == 0 ? output : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {exitCode}: {output} {error}");
    }
}
