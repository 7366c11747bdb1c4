using System.Diagnostics;
using System.Text.Json;
using Google.Protobuf;
using Grpc.Core;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Csi.Protocol;

namespace RbdReplication.Tests.Forwarding;

/// <summary>The driver of <c>driver.py</c>: a gRPC server of another make, with a service that nobody has heard of.</summary>
public sealed class DriverProcess : IAsyncDisposable
{
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "driver.py");

    private readonly Process _process;

    private DriverProcess(Process process) => _process = process;

    /// <summary>What it says that it can do: something in common with us, a node's part, and a kind that nobody has heard of.</summary>
    public static IReadOnlyList<Capability> Capabilities { get; } =
    [
        new() { Service = new() { Type = Capability.Types.Service.Types.Type.ControllerService } },
        new() { Service = new() { Type = Capability.Types.Service.Types.Type.NodeService } },
        new() { VolumeReplication = new() { Type = Capability.Types.VolumeReplication.Types.Type.VolumeReplication } },
        new() { EncryptionKeyRotation = new() { Type = Capability.Types.EncryptionKeyRotation.Types.Type.Encryptionkeyrotation } },
        Unheard,
        Unheard,
    ];

    /// <summary>Field 99 of the oneof, with a type of 3.</summary>
    public static Capability Unheard => Capability.Parser.ParseFrom([0x9a, 0x06, 0x02, 0x08, 0x03]);

    public static Task<DriverProcess> StartAsync(string socketPath, string name = "rbd.csi.ceph.com") =>
        StartAsync(socketPath, new GetCapabilitiesResponse { Capabilities = { Capabilities } }.ToByteArray(), name);

    /// <summary>Starts it and waits until it listens.</summary>
    public static async Task<DriverProcess> StartAsync(string socketPath, byte[] capabilities, string name)
    {
        var identity = new GetIdentityResponse { Name = name, VendorVersion = "v3.99" }.ToByteArray();
        var process = Process.Start(new ProcessStartInfo("/usr/bin/python3", [Program, socketPath, Convert.ToHexString(capabilities), Convert.ToHexString(identity)])
        {
            RedirectStandardOutput = true,
        })!;
        var line = await process.StandardOutput.ReadLineAsync();
        return line == "ready" ? new DriverProcess(process) : throw new InvalidOperationException($"the driver did not start; needs Debian's python3-grpcio ({line})");
    }

    /// <summary>Stops it as a node that is lost does, its socket stays.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>Makes it answer nothing, or go on.</summary>
    public Task SignalAsync(string signal) => ProcessOutput.OfAsync("kill", "-" + signal, $"{_process.Id}");

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            await KillAsync();
        _process.Dispose();
    }
}

/// <summary>Calls of the driver's service, as bytes.</summary>
internal static class Unheard
{
    public const string Service = "unheard.of.Service";

    private static readonly Marshaller<byte[]> Bytes = Marshallers.Create(static bytes => bytes, static bytes => bytes);

    public static AsyncUnaryCall<byte[]> Call(ChannelBase channel, string method, byte[] request, CallOptions options = default, string service = Service) =>
        channel.CreateCallInvoker().AsyncUnaryCall(new Method<byte[], byte[]>(MethodType.Unary, service, method, Bytes, Bytes), null, options, request);

    public static async Task<Status> StatusAsync(ChannelBase channel, string method, byte[] request, CallOptions options = default, string service = Service)
    {
        using var call = Call(channel, method, request, options, service);
        try
        {
            await call;
            return Status.DefaultSuccess;
        }
        catch (RpcException e)
        {
            return e.Status;
        }
    }

    /// <summary>How many calls hang at the driver, were cancelled there, and how often it was asked for its capabilities.</summary>
    public static async Task<(int Hanging, int Cancelled, int Asked)> CountAsync(ChannelBase channel)
    {
        var counts = JsonDocument.Parse(await Call(channel, "Count", [])).RootElement;
        int Of(string name) => counts.GetProperty(name).GetInt32();
        return (Of("hanging"), Of("cancelled"), Of("asked"));
    }
}
