using Grpc.Core;
using RbdReplication.Core;
using RbdReplication.Csi.Protocol;
using ServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;

namespace RbdReplication.Csi.Grpc;

/// <summary><c>reclaimspace.ReclaimSpaceController</c>. The nodes' part of a ReclaimSpaceJob, fstrim, is the driver's node plugin's.</summary>
internal sealed partial class ReclaimSpaceService(SpaceReclamation reclamation, ReplicationOptions options)
    : ReclaimSpaceController.ReclaimSpaceControllerBase, IRpcService
{
    public static ServiceDescriptor Descriptor => ReclaimSpaceController.Descriptor;

    public static IReadOnlyList<Capability> Capabilities { get; } =
        [new() { ReclaimSpace = new() { Type = Capability.Types.ReclaimSpace.Types.Type.Offline } }];

    public static void AddParts(IServiceCollection services)
    {
        services.AddSingleton<ReclaimReport>(provider =>
        {
            var logger = provider.GetRequiredService<ILogger<SpaceReclamation>>();
            return (volume, percent) => Reclaiming(logger, volume.ImageSpec, volume.Handle, percent);
        });
        services.AddSingleton<UntouchedReport>(provider =>
        {
            var logger = provider.GetRequiredService<ILogger<SpaceReclamation>>();
            return (volume, reason) => Untouched(logger, volume.ImageSpec, volume.Handle, reason);
        });
        services.AddSingleton<SpaceReclamation>();
    }

    public override async Task<ControllerReclaimSpaceResponse> ControllerReclaimSpace(ControllerReclaimSpaceRequest request, ServerCallContext context)
    {
        var volume = RequestVolume.Read(request, source: null, request.Secrets);
        using var deadline = CallDeadline.Of(context, options);
        var reclaimed = await reclamation.ReclaimAsync(volume, deadline.Token);
        return new ControllerReclaimSpaceResponse { PreUsage = Usage(reclaimed.BytesBefore), PostUsage = Usage(reclaimed.BytesAfter) };
    }

    private static StorageConsumption? Usage(long? bytes) => bytes is { } known ? new() { UsageBytes = known } : null;

    [LoggerMessage(EventIds.ReclaimingSpace, LogLevel.Information, "Reclaiming the space of {Image} of volume {VolumeHandle}: {Percent} %")]
    private static partial void Reclaiming(ILogger logger, string image, VolumeHandle volumeHandle, int percent);

    [LoggerMessage(EventIds.NothingReclaimed, LogLevel.Information, "Left untouched {Image} of volume {VolumeHandle}, whose space was to be reclaimed: {Reason}")]
    private static partial void Untouched(ILogger logger, string image, VolumeHandle volumeHandle, string reason);
}
