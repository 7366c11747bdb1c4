using System.Diagnostics.CodeAnalysis;
using RbdReplication.Csi.Protocol;
using ServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;

namespace RbdReplication.Csi.Grpc;

/// <summary>
/// A gRPC service on the CSI-Addons socket. One line, <see cref="RpcServices.AddRpcService"/>, serves it, lists it in gRPC reflection and makes
/// Identity report its capabilities.
/// </summary>
internal interface IRpcService
{
    /// <summary>The service as its .proto file declares it.</summary>
    static abstract ServiceDescriptor Descriptor { get; }

    /// <summary>What Identity reports because this service is there.</summary>
    static abstract IReadOnlyList<Capability> Capabilities { get; }

    /// <summary>Adds what only this service uses.</summary>
    static virtual void AddParts(IServiceCollection services)
    {
    }
}

/// <summary>A service that is served.</summary>
/// <param name="Descriptor">The service as its .proto file declares it.</param>
/// <param name="Capabilities">What Identity reports of it.</param>
/// <param name="Map">Routes its calls to it.</param>
internal sealed record RpcService(ServiceDescriptor Descriptor, IReadOnlyList<Capability> Capabilities, Action<IEndpointRouteBuilder> Map);

/// <summary>Registration of the gRPC services.</summary>
internal static class RpcServices
{
    // What gRPC looks up when it maps a service.
    private const DynamicallyAccessedMemberTypes Mapped =
        DynamicallyAccessedMemberTypes.PublicConstructors | DynamicallyAccessedMemberTypes.PublicMethods | DynamicallyAccessedMemberTypes.NonPublicMethods;

    /// <summary>Registers a service: this line is all that a new one needs outside its own file.</summary>
    public static void AddRpcService<[DynamicallyAccessedMembers(Mapped)] T>(this IServiceCollection services) where T : class, IRpcService
    {
        T.AddParts(services);
        services.AddSingleton<T>();
        services.AddSingleton(new RpcService(T.Descriptor, T.Capabilities, static routes => routes.MapGrpcService<T>()));
    }

    /// <summary>Routes calls to the services that were registered.</summary>
    public static void MapRpcServices(this IEndpointRouteBuilder routes)
    {
        foreach (var service in routes.ServiceProvider.GetServices<RpcService>())
            service.Map(routes);
    }
}
