using System.Collections.Concurrent;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using RbdReplication.Csi.Cli;
using RbdReplication.Csi.Protocol;

namespace RbdReplication.KubernetesTests.Play;

/// <summary>A server that answers as a test says, in place of ours.</summary>
public sealed class ScriptedServer : Controller.ControllerBase, IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("rbd-replication-").FullName;
    private readonly ConcurrentQueue<string> _calls = new();
    private WebApplication _app = null!;
    private Grpc.Net.Client.GrpcChannel _channel = null!;

    /// <summary>Code that a call fails with, by its name, with <c>!</c> behind it when it is forced.</summary>
    public ConcurrentDictionary<string, StatusCode> Failures { get; } = new();

    public bool IsReady { get; set; }

    public GetVolumeReplicationInfoResponse Info { get; set; } = new();

    /// <summary>What was called, in order.</summary>
    public IReadOnlyCollection<string> Calls => _calls;

    public Controller.ControllerClient Client => new(_channel);

    public static async Task<ScriptedServer> StartAsync()
    {
        var server = new ScriptedServer();
        var socket = Path.Combine(server._folder, "socket");
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenUnixSocket(socket, listen => listen.Protocols = HttpProtocols.Http2));
        builder.Services.AddGrpc();
        builder.Services.AddSingleton(server);
        server._app = builder.Build();
        server._app.MapGrpcService<ScriptedServer>();
        await server._app.StartAsync();
        server._channel = CallCommand.Connect(socket);
        return server;
    }

    public void Forget() => _calls.Clear();

    public override Task<EnableVolumeReplicationResponse> EnableVolumeReplication(EnableVolumeReplicationRequest request, ServerCallContext context) =>
        Answer("Enable", new EnableVolumeReplicationResponse());

    public override Task<DisableVolumeReplicationResponse> DisableVolumeReplication(DisableVolumeReplicationRequest request, ServerCallContext context) =>
        Answer("Disable", new DisableVolumeReplicationResponse());

    public override Task<PromoteVolumeResponse> PromoteVolume(PromoteVolumeRequest request, ServerCallContext context) =>
        Answer(request.Force ? "Promote!" : "Promote", new PromoteVolumeResponse());

    public override Task<DemoteVolumeResponse> DemoteVolume(DemoteVolumeRequest request, ServerCallContext context) =>
        Answer("Demote", new DemoteVolumeResponse());

    public override Task<ResyncVolumeResponse> ResyncVolume(ResyncVolumeRequest request, ServerCallContext context) =>
        Answer(request.Force ? "Resync!" : "Resync", new ResyncVolumeResponse { Ready = IsReady });

    public override Task<GetVolumeReplicationInfoResponse> GetVolumeReplicationInfo(GetVolumeReplicationInfoRequest request, ServerCallContext context) =>
        Answer("GetInfo", Info);

    public override Task<GetReplicationDestinationInfoResponse> GetReplicationDestinationInfo(GetReplicationDestinationInfoRequest request, ServerCallContext context) =>
        Answer("Destination", new GetReplicationDestinationInfoResponse { ReplicationDestination = new() { Volume = new() { VolumeId = "there" } } });

    public async ValueTask DisposeAsync()
    {
        _channel.Dispose();
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private Task<T> Answer<T>(string call, T answer)
    {
        _calls.Enqueue(call);
        return Failures.TryGetValue(call, out var code) ? throw new RpcException(new Status(code, $"{call} is refused by the test")) : Task.FromResult(answer);
    }
}
