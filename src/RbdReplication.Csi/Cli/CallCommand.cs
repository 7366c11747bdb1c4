using System.CommandLine;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using RbdReplication.Csi.Hosting;
using RbdReplication.Csi.Protocol;
using GroupController = RbdReplication.Csi.Protocol.Groups.Controller;

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
        ["ControllerReclaimSpace"] = async (invoker, a, options) => await new ReclaimSpaceController.ReclaimSpaceControllerClient(invoker).ControllerReclaimSpaceAsync(
            new() { VolumeId = a.Source?.Volume?.VolumeId ?? "", Parameters = { a.Parameters }, Secrets = { a.Secrets } }, options),
        ["FenceClusterNetwork"] = async (invoker, a, options) => await new FenceController.FenceControllerClient(invoker).FenceClusterNetworkAsync(
            new() { Cidrs = { a.Cidrs }, Parameters = { a.Parameters }, Secrets = { a.Secrets } }, options),
        ["UnfenceClusterNetwork"] = async (invoker, a, options) => await new FenceController.FenceControllerClient(invoker).UnfenceClusterNetworkAsync(
            new() { Cidrs = { a.Cidrs }, Parameters = { a.Parameters }, Secrets = { a.Secrets } }, options),
        ["ListClusterFence"] = async (invoker, a, options) => await new FenceController.FenceControllerClient(invoker).ListClusterFenceAsync(
            new() { Parameters = { a.Parameters }, Secrets = { a.Secrets } }, options),
        ["GetFenceClients"] = async (invoker, a, options) => await new FenceController.FenceControllerClient(invoker).GetFenceClientsAsync(
            new() { Parameters = { a.Parameters }, Secrets = { a.Secrets } }, options),
        ["CreateVolumeGroup"] = async (invoker, a, options) => await new GroupController.ControllerClient(invoker).CreateVolumeGroupAsync(
            new() { Name = a.Name, VolumeIds = { a.Volumes }, Parameters = { a.Parameters }, Secrets = { a.Secrets } }, options),
        ["ModifyVolumeGroupMembership"] = async (invoker, a, options) => await new GroupController.ControllerClient(invoker).ModifyVolumeGroupMembershipAsync(
            new() { VolumeGroupId = a.Group, VolumeIds = { a.Volumes }, Parameters = { a.Parameters }, Secrets = { a.Secrets } }, options),
        ["DeleteVolumeGroup"] = async (invoker, a, options) => await new GroupController.ControllerClient(invoker).DeleteVolumeGroupAsync(
            new() { VolumeGroupId = a.Group, Secrets = { a.Secrets } }, options),
        ["ControllerGetVolumeGroup"] = async (invoker, a, options) => await new GroupController.ControllerClient(invoker).ControllerGetVolumeGroupAsync(
            new() { VolumeGroupId = a.Group, Secrets = { a.Secrets } }, options),
        ["ListVolumeGroups"] = async (invoker, a, options) => await new GroupController.ControllerClient(invoker).ListVolumeGroupsAsync(
            new() { Secrets = { a.Secrets } }, options),
    };

    private sealed record Arguments(
        ReplicationSource? Source, string Name, IEnumerable<string> Volumes, bool Force, IEnumerable<CIDR> Cidrs, Dictionary<string, string> Parameters, Dictionary<string, string> Secrets)
    {
        public string Group => Source?.Volumegroup?.VolumeGroupId ?? "";
    }

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
        var group = Flags.Text("--group", "", "Handle of a volume group, for calls that are for one in place of a volume");
        var name = Flags.Text("--name", "", "Name of the volume group to be made, as that of its VolumeGroupReplicationContent");
        var member = new Option<string[]>("--member") { Description = "Handle of a volume that is to be in the volume group; may be repeated" };
        var force = Flags.Switch("--force", "Set the request's force");
        var cidr = new Option<string[]>("--cidr") { Description = "Block of addresses to fence or unfence, 192.0.2.0/24; may be repeated" };
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

        var command = new Command("call", "Call an RPC of a running server and print its answer as JSON.") { method, endpoint, volume, group, name, member, parameter, force, cidr, secret, timeout };
        command.Validators.Add(result =>
        {
            if (result.GetValue(volume) is { Length: > 0 } && result.GetValue(group) is { Length: > 0 })
                result.AddError("--volume and --group exclude each other");
        });
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
            var arguments = new Arguments(
                SourceOf(parsed.GetRequiredValue(volume), parsed.GetRequiredValue(group)),
                parsed.GetRequiredValue(name),
                parsed.GetValue(member) ?? [],
                parsed.GetValue(force),
                (parsed.GetValue(cidr) ?? []).Select(block => new CIDR { Cidr = block }),
                (parsed.GetValue(parameter) ?? []).Select(pair => pair.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]),
                secrets);
            var options = new CallOptions(deadline: DateTime.UtcNow + parsed.GetValue(timeout), cancellationToken: cancellationToken);
            return await RunAsync(parsed.GetRequiredValue(method), parsed.GetRequiredValue(endpoint).LocalPath, arguments, options);
        });
        return command;
    }

    private static ReplicationSource? SourceOf(string volume, string group) =>
        group.Length > 0 ? new() { Volumegroup = new() { VolumeGroupId = group } }
        : volume.Length > 0 ? new() { Volume = new() { VolumeId = volume } }
        : null;

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
        HttpHandler = UnixSocket.HttpHandler(socketPath),
        DisposeHttpClient = true,
    });

    /// <summary>A code as the gRPC documents write it: FailedPrecondition is FAILED_PRECONDITION.</summary>
    internal static string GrpcName(StatusCode code) => code == StatusCode.OK
        ? "OK"
        : string.Concat(code.ToString().Select((c, i) => i > 0 && char.IsUpper(c) ? "_" + c : char.ToUpperInvariant(c).ToString()));
}
