using System.CommandLine;
using System.Net.Sockets;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using RbdReplication.Csi.Protocol;

namespace RbdReplication.Csi.Cli;

/// <summary><c>call</c>: one RPC to a running server, for pods that have no gRPC tool.</summary>
internal static class CallCommand
{
    /// <summary>Added to the gRPC code of a failed call, to keep it apart from our own exit codes.</summary>
    public const int ExitCodeBase = 64;

    private static readonly Dictionary<string, Func<CallInvoker, Arguments, CallOptions, Task<IMessage>>> Methods = new(StringComparer.Ordinal)
    {
        ["GetIdentity"] = async (invoker, _, options) => await new Identity.IdentityClient(invoker).GetIdentityAsync(new(), options),
        ["GetCapabilities"] = async (invoker, _, options) => await new Identity.IdentityClient(invoker).GetCapabilitiesAsync(new(), options),
        ["Probe"] = async (invoker, _, options) => await new Identity.IdentityClient(invoker).ProbeAsync(new(), options),
        ["EnableVolumeReplication"] = async (invoker, a, options) => await new Controller.ControllerClient(invoker).EnableVolumeReplicationAsync(
            new() { ReplicationSource = a.Source, Parameters = { a.Parameters }, Secrets = { a.Secrets } }, options),
        ["DisableVolumeReplication"] = async (invoker, a, options) => await new Controller.ControllerClient(invoker).DisableVolumeReplicationAsync(
            new() { ReplicationSource = a.Source, Parameters = { a.Parameters }, Secrets = { a.Secrets } }, options),
        ["PromoteVolume"] = async (invoker, a, options) => await new Controller.ControllerClient(invoker).PromoteVolumeAsync(
            new() { ReplicationSource = a.Source, Force = a.Force, Parameters = { a.Parameters }, Secrets = { a.Secrets } }, options),
        ["DemoteVolume"] = async (invoker, a, options) => await new Controller.ControllerClient(invoker).DemoteVolumeAsync(
            new() { ReplicationSource = a.Source, Force = a.Force, Parameters = { a.Parameters }, Secrets = { a.Secrets } }, options),
        ["ResyncVolume"] = async (invoker, a, options) => await new Controller.ControllerClient(invoker).ResyncVolumeAsync(
            new() { ReplicationSource = a.Source, Force = a.Force, Parameters = { a.Parameters }, Secrets = { a.Secrets } }, options),
        ["GetVolumeReplicationInfo"] = async (invoker, a, options) => await new Controller.ControllerClient(invoker).GetVolumeReplicationInfoAsync(
            new() { ReplicationSource = a.Source, Secrets = { a.Secrets } }, options),
        ["GetReplicationDestinationInfo"] = async (invoker, a, options) => await new Controller.ControllerClient(invoker).GetReplicationDestinationInfoAsync(
            new() { ReplicationSource = a.Source, Secrets = { a.Secrets } }, options),
    };

    private sealed record Arguments(ReplicationSource? Source, bool Force, Dictionary<string, string> Parameters, Dictionary<string, string> Secrets);

    public static Command Create()
    {
        var method = new Argument<string>("method") { HelpName = "method", Description = "RPC to call: " + string.Join(", ", Methods.Keys) };
        method.CompletionSources.Add([.. Methods.Keys]);
        method.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && !Methods.ContainsKey(token.Value))
                result.AddError($"there is no RPC \"{token.Value}\"; known are {string.Join(", ", Methods.Keys)}");
        });
        var endpoint = Flags.Endpoint("--csi-addons-endpoint", "unix:///csi/csi-addons.sock", "Socket of the running server", "unix");
        var volume = Flags.Text("--volume", "", "Volume handle, as in the PersistentVolume's spec.csi.volumeHandle");
        var force = Flags.Switch("--force", "Set the request's force");
        var timeout = Flags.Duration("--timeout", TimeSpan.FromMinutes(3), "Deadline of the call");
        var secret = SecretSource.Option();
        var parameter = new Option<string[]>("--parameter", "-p") { Description = "Parameter of the class as key=value; may be repeated" };
        parameter.Validators.Add(result =>
        {
            if (result.Tokens.FirstOrDefault(token => !token.Value.Contains('=', StringComparison.Ordinal)) is { } wrong)
                result.AddError($"--parameter is \"{wrong.Value}\", and must be key=value");
            var twice = result.Tokens.GroupBy(token => token.Value.Split('=', 2)[0]).FirstOrDefault(group => group.Count() > 1);
            if (twice is not null)
                result.AddError($"--parameter gives \"{twice.Key}\" more than once");
        });

        var command = new Command("call", "Call an RPC of a running server and print its answer as JSON.") { method, endpoint, volume, parameter, force, secret, timeout };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            Dictionary<string, string> secrets;
            try
            {
                secrets = new(SecretSource.Read(parsed.GetRequiredValue(secret)));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
            {
                await Console.Error.WriteLineAsync($"rbd-replication: {e.Message}");
                return ExitCode.Failure;
            }
            var handle = parsed.GetRequiredValue(volume);
            var arguments = new Arguments(
                handle.Length == 0 ? null : new() { Volume = new() { VolumeId = handle } },
                parsed.GetValue(force),
                (parsed.GetValue(parameter) ?? []).Select(pair => pair.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]),
                secrets);
            var options = new CallOptions(deadline: DateTime.UtcNow + parsed.GetValue(timeout), cancellationToken: cancellationToken);
            return await RunAsync(parsed.GetRequiredValue(method), parsed.GetRequiredValue(endpoint).LocalPath, arguments, options);
        });
        return command;
    }

    private static async Task<int> RunAsync(string method, string socketPath, Arguments arguments, CallOptions options)
    {
        using var channel = Connect(socketPath);
        try
        {
            var answer = await Methods[method](channel.CreateCallInvoker(), arguments, options);
            await Console.Out.WriteLineAsync(new JsonFormatter(JsonFormatter.Settings.Default.WithIndentation().WithFormatDefaultValues(true)).Format(answer));
            return ExitCode.Success;
        }
        catch (RpcException e)
        {
            var code = e.StatusCode == StatusCode.Unavailable && e.Status.DebugException is not null
                ? $"no server answers on {socketPath}"
                : $"{GrpcName(e.StatusCode)}: {e.Status.Detail}";
            await Console.Error.WriteLineAsync($"rbd-replication: {code}");
            return ExitCodeBase + (int)e.StatusCode;
        }
    }

    /// <summary>A channel to a server's unix socket.</summary>
    internal static GrpcChannel Connect(string socketPath) => GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
    {
        HttpHandler = SocketHandler(socketPath),
        DisposeHttpClient = true,
    });

    /// <summary>HTTP over a server's unix socket.</summary>
    internal static SocketsHttpHandler SocketHandler(string socketPath) => new()
    {
        ConnectCallback = async (_, cancellationToken) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        },
    };

    /// <summary>A code as the gRPC documents write it: FailedPrecondition is FAILED_PRECONDITION.</summary>
    internal static string GrpcName(StatusCode code) => code == StatusCode.OK
        ? "OK"
        : string.Concat(code.ToString().Select((c, i) => i > 0 && char.IsUpper(c) ? "_" + c : char.ToUpperInvariant(c).ToString()));
}
