using Grpc.Core;

namespace RbdReplication.Csi.Grpc;

/// <summary>How long a call may take.</summary>
internal static class CallDeadline
{
    /// <summary>Ends with the longest time that one call takes, or with the caller's own deadline, whichever is earlier.</summary>
    public static CancellationTokenSource Of(ServerCallContext context, ReplicationOptions options)
    {
        // The caller's own deadline ends the context's token.
        var source = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken);
        source.CancelAfter(options.OperationTimeout);
        return source;
    }
}
