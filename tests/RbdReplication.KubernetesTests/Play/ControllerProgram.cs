using System.Globalization;
using System.Runtime.InteropServices;
using RbdReplication.Csi.Cli;
using RbdReplication.Csi.Protocol;
using RbdReplication.KubernetesTests.Clusters;

namespace RbdReplication.KubernetesTests.Play;

/// <summary>The played controller as a program of its own, for a demonstration: <c>--play-controller KUBECONFIG CONTEXT SOCKET [PACE]</c>.</summary>
internal static class ControllerProgram
{
    private const string Option = "--play-controller";

    public static bool IsAskedFor(string[] arguments) => arguments.Length > 0 && arguments[0] == Option;

    /// <summary>Plays until it is told to stop; what it does is written to standard output, a line a call.</summary>
    public static async Task<int> RunAsync(string[] arguments)
    {
        if (arguments.Length is not (4 or 5))
        {
            await Console.Error.WriteLineAsync($"usage: {Option} KUBECONFIG CONTEXT SOCKET [PACE]; PACE 0.1 waits a tenth of the time that the controller waits");
            return 2;
        }
        using var api = new ApiServer(arguments[1], arguments[2]);
        using var channel = CallCommand.Connect(arguments[3]);
        using var stop = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        var pace = arguments.Length == 5 ? double.Parse(arguments[4], CultureInfo.InvariantCulture) : 1;
        await using var controller = new PlayedController(
            api, new Controller.ControllerClient(channel), pace, line => Console.WriteLine($"{DateTime.UtcNow:HH:mm:ss.f} {line}"),
            channel: channel);
        await controller.RunAsync(stop.Token);
        return 0;

        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.Cancel();
        }
    }
}
