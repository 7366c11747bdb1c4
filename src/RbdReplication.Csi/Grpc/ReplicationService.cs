using Google.Protobuf.Collections;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using RbdReplication.Core;
using RbdReplication.Csi.Protocol;
using ServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;

namespace RbdReplication.Csi.Grpc;

/// <summary>
/// <c>replication.Controller</c>: reads the requests and writes the answers. What happens in between is in
/// <see cref="VolumeReplication"/> and <see cref="GroupReplication"/>; failures become status codes in <see cref="StatusInterceptor"/>.
/// </summary>
internal sealed class ReplicationService(
    VolumeReplication replication, ReplicationOptions options, UnknownParameters unknown, VolumeGroups? groups = null, GroupReplication? groupReplication = null)
    : Controller.ControllerBase, IRpcService
{
    public static ServiceDescriptor Descriptor => Controller.Descriptor;

    public static IReadOnlyList<Capability> Capabilities { get; } =
    [
        new() { Service = new() { Type = Capability.Types.Service.Types.Type.ControllerService } },
        new() { VolumeReplication = new() { Type = Capability.Types.VolumeReplication.Types.Type.VolumeReplication } },
        new() { VolumeReplication = new() { Type = Capability.Types.VolumeReplication.Types.Type.GetReplicationDestinationInfo } },
    ];

    public static void AddParts(IServiceCollection services) => services.AddSingleton<UnknownParameters>();

    public override async Task<EnableVolumeReplicationResponse> EnableVolumeReplication(EnableVolumeReplicationRequest request, ServerCallContext context)
    {
        var parameters = unknown.Warn(ReplicationParameters.Parse(request.Parameters));
        var (replicated, source) = Read(request, request.ReplicationSource, request.Secrets);
        using var deadline = Deadline(context);
        await replicated.EnableAsync(source, parameters, deadline.Token);
        return new EnableVolumeReplicationResponse();
    }

    public override async Task<DisableVolumeReplicationResponse> DisableVolumeReplication(DisableVolumeReplicationRequest request, ServerCallContext context)
    {
        var parameters = unknown.Warn(ReplicationParameters.Parse(request.Parameters));
        var (replicated, source) = Read(request, request.ReplicationSource, request.Secrets);
        using var deadline = Deadline(context);
        await replicated.DisableAsync(source, parameters.Force, deadline.Token);
        return new DisableVolumeReplicationResponse();
    }

    public override async Task<PromoteVolumeResponse> PromoteVolume(PromoteVolumeRequest request, ServerCallContext context)
    {
        var parameters = unknown.Warn(ReplicationParameters.Parse(request.Parameters));
        var (replicated, source) = Read(request, request.ReplicationSource, request.Secrets);
        using var deadline = Deadline(context);
        await replicated.PromoteAsync(source, parameters, request.Force, deadline.Token);
        return new PromoteVolumeResponse();
    }

    public override async Task<DemoteVolumeResponse> DemoteVolume(DemoteVolumeRequest request, ServerCallContext context)
    {
        _ = unknown.Warn(ReplicationParameters.Parse(request.Parameters));
        var (replicated, source) = Read(request, request.ReplicationSource, request.Secrets);
        using var deadline = Deadline(context);
        await replicated.DemoteAsync(source, request.Force, deadline.Token);
        return new DemoteVolumeResponse();
    }

    public override async Task<ResyncVolumeResponse> ResyncVolume(ResyncVolumeRequest request, ServerCallContext context)
    {
        _ = unknown.Warn(ReplicationParameters.Parse(request.Parameters));
        var (replicated, source) = Read(request, request.ReplicationSource, request.Secrets);
        using var deadline = Deadline(context);
        return new ResyncVolumeResponse { Ready = await replicated.ResyncAsync(source, request.Force, deadline.Token) };
    }

    public override async Task<GetVolumeReplicationInfoResponse> GetVolumeReplicationInfo(GetVolumeReplicationInfoRequest request, ServerCallContext context)
    {
        var (replicated, source) = Read(request, request.ReplicationSource, request.Secrets);
        using var deadline = Deadline(context);
        var info = await replicated.GetInfoAsync(source, deadline.Token);
        return new GetVolumeReplicationInfoResponse
        {
            LastSyncTime = info.LastSyncTime?.ToTimestamp(),
            LastSyncDuration = info.LastSyncDuration?.ToDuration(),
            LastSyncBytes = info.LastSyncBytes,
            Status = info.Health switch
            {
                ReplicationHealth.Healthy => GetVolumeReplicationInfoResponse.Types.Status.Healthy,
                ReplicationHealth.Degraded => GetVolumeReplicationInfoResponse.Types.Status.Degraded,
                ReplicationHealth.Error => GetVolumeReplicationInfoResponse.Types.Status.Error,
                _ => GetVolumeReplicationInfoResponse.Types.Status.Unknown,
            },
            StatusMessage = info.Message,
        };
    }

    public override async Task<GetReplicationDestinationInfoResponse> GetReplicationDestinationInfo(
        GetReplicationDestinationInfoRequest request, ServerCallContext context)
    {
        if (groups is not null && request.ReplicationSource?.TypeCase == ReplicationSource.TypeOneofCase.Volumegroup)
            return await GetGroupDestinationAsync(groups, request, context);
        var volume = RequestVolume.Read(request, request.ReplicationSource, request.Secrets);
        using var deadline = Deadline(context);
        var destination = await replication.GetDestinationAsync(volume, deadline.Token);
        return new GetReplicationDestinationInfoResponse
        {
            ReplicationDestination = new() { Volume = new() { VolumeId = destination.ToString() } },
        };
    }

    private async Task<GetReplicationDestinationInfoResponse> GetGroupDestinationAsync(
        VolumeGroups groups, GetReplicationDestinationInfoRequest request, ServerCallContext context)
    {
        var group = RequestVolume.ReadGroup(request.ReplicationSource.Volumegroup.VolumeGroupId, request.Secrets);
        using var deadline = Deadline(context);
        var destination = await groups.GetDestinationAsync(group, deadline.Token);
        return new GetReplicationDestinationInfoResponse
        {
            ReplicationDestination = new()
            {
                Volumegroup = new() { VolumeGroupId = destination.Handle.ToString(), VolumeIds = { new Dictionary<string, string>(destination.Volumes) } },
            },
        };
    }

    // What the calls for a volume and for a volume group have in common.
    private (IReplication Replicated, VolumeRequest Source) Read(object request, ReplicationSource? source, MapField<string, string> secrets) =>
        source?.TypeCase == ReplicationSource.TypeOneofCase.Volumegroup && groupReplication is not null
            ? (groupReplication, RequestVolume.ReadGroup(source.Volumegroup.VolumeGroupId, secrets))
            : (replication, RequestVolume.Read(request, source, secrets));

    private CancellationTokenSource Deadline(ServerCallContext context) => CallDeadline.Of(context, options);
}

/// <summary>What the services are told.</summary>
/// <param name="OperationTimeout">Longest time that one call takes.</param>
internal sealed record ReplicationOptions(TimeSpan OperationTimeout);

/// <summary>Warns about each parameter key that means nothing here, once in the life of the process.</summary>
internal sealed partial class UnknownParameters(ILogger<UnknownParameters> logger)
{
    private readonly System.Collections.Concurrent.ConcurrentDictionary<string, bool> _seen = new(StringComparer.Ordinal);

    // Callers choose the keys: bound what is remembered of them, in number and in length.
    private const int MaximumSeen = 256;

    public ReplicationParameters Warn(ReplicationParameters parameters)
    {
        foreach (var key in parameters.UnknownKeys.Take(MaximumSeen).Select(key => RequestVolume.Printable(key)))
        {
            if (_seen.Count < MaximumSeen && _seen.TryAdd(key, true))
                Ignored(key, string.Join(", ", ReplicationParameters.KnownKeys));
        }
        return parameters;
    }

    [LoggerMessage(EventIds.ParameterIgnored, LogLevel.Warning, "Parameter {Key} of the VolumeReplicationClass means nothing here and is ignored; known are {Known}")]
    private partial void Ignored(string key, string known);
}
