using Grpc.Core;
using RbdReplication.Core;
using RbdReplication.Csi.Protocol;
using ServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;

namespace RbdReplication.Csi.Grpc;

/// <summary><c>fence.FenceController</c>: reads the requests; what is fenced, and what is not, is decided in <see cref="NetworkFencing"/>.</summary>
internal sealed class FenceService(NetworkFencing fencing, ReplicationOptions options) : FenceController.FenceControllerBase, IRpcService
{
    public static ServiceDescriptor Descriptor => FenceController.Descriptor;

    public static IReadOnlyList<Capability> Capabilities { get; } =
        [new() { NetworkFence = new() { Type = Capability.Types.NetworkFence.Types.Type.NetworkFence } }];

    public static void AddParts(IServiceCollection services) => services.AddSingleton<NetworkFencing>();

    public override async Task<FenceClusterNetworkResponse> FenceClusterNetwork(FenceClusterNetworkRequest request, ServerCallContext context)
    {
        var fence = FenceRequest.Parse(request.Parameters, [.. request.Cidrs.Select(block => block.Cidr)], request.Secrets);
        using var deadline = CallDeadline.Of(context, options);
        await fencing.FenceAsync(fence, deadline.Token);
        return new FenceClusterNetworkResponse();
    }

    public override async Task<UnfenceClusterNetworkResponse> UnfenceClusterNetwork(UnfenceClusterNetworkRequest request, ServerCallContext context)
    {
        var fence = FenceRequest.Parse(request.Parameters, [.. request.Cidrs.Select(block => block.Cidr)], request.Secrets);
        using var deadline = CallDeadline.Of(context, options);
        await fencing.UnfenceAsync(fence, deadline.Token);
        return new UnfenceClusterNetworkResponse();
    }

    public override async Task<ListClusterFenceResponse> ListClusterFence(ListClusterFenceRequest request, ServerCallContext context)
    {
        var fence = FenceRequest.Parse(request.Parameters, request.Secrets);
        using var deadline = CallDeadline.Of(context, options);
        var fenced = await fencing.ListAsync(fence, deadline.Token);
        return new ListClusterFenceResponse { Cidrs = { fenced.Select(block => new CIDR { Cidr = block }) } };
    }

    // A node's address is what its own plugin knows. This server's would be fenced in its place.
    public override Task<GetFenceClientsResponse> GetFenceClients(GetFenceClientsRequest request, ServerCallContext context) =>
        throw new ReplicationException(ReplicationError.Unimplemented, "the addresses of a node are told by the driver's plugin on that node, not by its controller");
}
