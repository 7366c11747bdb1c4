using System.Reflection;
using Grpc.Core;
using RbdReplication.Csi.Hosting;
using RbdReplication.Csi.Protocol;

namespace RbdReplication.Csi.Grpc;

/// <summary><c>identity.Identity</c>.</summary>
internal sealed class IdentityService(ServeOptions options, Draining draining) : Identity.IdentityBase
{
    /// <summary>Version of this program.</summary>
    public static string Version { get; } =
        typeof(IdentityService).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    public override Task<GetIdentityResponse> GetIdentity(GetIdentityRequest request, ServerCallContext context) =>
        Task.FromResult(new GetIdentityResponse { Name = options.DriverName, VendorVersion = Version });

    // Only what is served: the sidecar's leader election and the controller's calls depend on it.
    public override Task<GetCapabilitiesResponse> GetCapabilities(GetCapabilitiesRequest request, ServerCallContext context) =>
        Task.FromResult(new GetCapabilitiesResponse
        {
            Capabilities =
            {
                new Capability { Service = new() { Type = Capability.Types.Service.Types.Type.ControllerService } },
                new Capability { VolumeReplication = new() { Type = Capability.Types.VolumeReplication.Types.Type.VolumeReplication } },
                new Capability { VolumeReplication = new() { Type = Capability.Types.VolumeReplication.Types.Type.GetReplicationDestinationInfo } },
            },
        });

    public override Task<ProbeResponse> Probe(ProbeRequest request, ServerCallContext context) =>
        Task.FromResult(new ProbeResponse { Ready = !draining.HasBegun });
}
