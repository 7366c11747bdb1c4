using Grpc.Core;
using RbdReplication.Csi.Hosting;
using RbdReplication.Csi.Protocol;
using ServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;

namespace RbdReplication.Csi.Grpc;

/// <summary><c>identity.Identity</c>.</summary>
internal sealed class IdentityService(IdentityOptions options, Draining draining, IEnumerable<RpcService> served) : Identity.IdentityBase, IRpcService
{
    public static ServiceDescriptor Descriptor => Identity.Descriptor;

    // Who calls takes it for granted.
    public static IReadOnlyList<Capability> Capabilities => [];

    public override Task<GetIdentityResponse> GetIdentity(GetIdentityRequest request, ServerCallContext context) =>
        Task.FromResult(new GetIdentityResponse { Name = options.DriverName, VendorVersion = ProductVersion.Text });

    // Only what is served: the sidecar's leader election and the controller's calls depend on it. Several services may have one in common.
    public override Task<GetCapabilitiesResponse> GetCapabilities(GetCapabilitiesRequest request, ServerCallContext context) =>
        Task.FromResult(new GetCapabilitiesResponse { Capabilities = { served.SelectMany(service => service.Capabilities).Distinct() } });

    public override Task<ProbeResponse> Probe(ProbeRequest request, ServerCallContext context) =>
        Task.FromResult(new ProbeResponse { Ready = !draining.HasBegun });
}

/// <summary>What Identity is told.</summary>
/// <param name="DriverName">CSI driver name that it reports.</param>
internal sealed record IdentityOptions(string DriverName);
