using Grpc.Core;
using RbdReplication.Csi.Hosting;
using RbdReplication.Csi.Protocol;
using ServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;

namespace RbdReplication.Csi.Grpc;

/// <summary><c>identity.Identity</c>: of this server, and of the driver too where calls are forwarded to it.</summary>
internal sealed class IdentityService(IdentityOptions options, Draining draining, IEnumerable<RpcService> served, DriverCapabilities? driver = null)
    : Identity.IdentityBase, IRpcService
{
    public static ServiceDescriptor Descriptor => Identity.Descriptor;

    // Who calls takes it for granted.
    public static IReadOnlyList<Capability> Capabilities => [];

    // Ours also where calls are forwarded: the sidecar's Lease goes by this name, and the version tells whom one is talking to.
    public override Task<GetIdentityResponse> GetIdentity(GetIdentityRequest request, ServerCallContext context) =>
        Task.FromResult(new GetIdentityResponse { Name = options.DriverName, VendorVersion = ProductVersion.Text });

    // Only what is answered: the sidecar's leader election and the controller's calls depend on it. Several services may have one in common.
    public override async Task<GetCapabilitiesResponse> GetCapabilities(GetCapabilitiesRequest request, ServerCallContext context)
    {
        var own = served.SelectMany(service => service.Capabilities);
        var drivers = driver is null ? [] : await driver.GetAsync(context.CancellationToken);
        return new GetCapabilitiesResponse { Capabilities = { DriverCapabilities.Union(own, drivers) } };
    }

    // The sidecar waits at its start until this is true, and ends when GetCapabilities fails then: so not before the driver has answered once.
    // A driver that is gone later does not count: replication goes on without it.
    public override async Task<ProbeResponse> Probe(ProbeRequest request, ServerCallContext context) =>
        new() { Ready = !draining.HasBegun && (driver is null || await driver.AreKnownAsync(context.CancellationToken)) };
}

/// <summary>What Identity is told.</summary>
/// <param name="DriverName">CSI driver name that it reports.</param>
internal sealed record IdentityOptions(string DriverName);
