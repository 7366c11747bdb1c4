using RbdReplication.CephTests.Sandbox;
using RbdReplication.KubernetesTests.Clusters;

namespace RbdReplication.KubernetesTests.Dr;

/// <summary>How a command of <c>dr</c> ended.</summary>
/// <param name="ExitCode">Its exit code.</param>
/// <param name="Output">What it told.</param>
/// <param name="Error">Why it stopped, and what to do next.</param>
internal sealed record DrRun(int ExitCode, string Output, string Error)
{
    /// <summary>Runs a command over both sites, from site-a unless <paramref name="arguments"/> say otherwise.</summary>
    public static async Task<DrRun> OfAsync(params string[] arguments)
    {
        using var process = Start(arguments);
        var (exitCode, output, error) = await ProcessOutput.OfAsync(process);
        return new DrRun(exitCode, output, error);
    }

    /// <summary>Starts one.</summary>
    public static System.Diagnostics.Process Start(params string[] arguments)
    {
        string[] kubeconfig = arguments.Contains("--kubeconfig") ? [] : ["--kubeconfig", Path.Combine(TwoClusters.Folder, "kubeconfig")];
        string[] context = arguments.Contains("--context") ? [] : ["--context", "site-a"];
        string[] peer = arguments.Contains("--peer-context") || arguments[0] is "backup" or "restore" or "drill" ? [] : ["--peer-context", "site-b"];
        return ServerProcess.Start(["dr", .. arguments, .. kubeconfig, .. context, .. peer]);
    }

    /// <summary>Fails the test where it did not end well.</summary>
    public DrRun Succeeds()
    {
        Assert.True(ExitCode == 0, $"{Output}\n{Error}");
        return this;
    }

    /// <summary>Fails the test where it did not stop with these words.</summary>
    public DrRun StopsWith(string words)
    {
        Assert.True(ExitCode == 1 && Error.Contains(words, StringComparison.Ordinal), $"exit code {ExitCode}\n{Output}\n{Error}");
        Assert.Contains("\nnext: ", Error, StringComparison.Ordinal);
        return this;
    }
}
