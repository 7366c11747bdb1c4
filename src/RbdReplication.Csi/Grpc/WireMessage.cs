using System.Buffers.Binary;
using RbdReplication.Csi.Hosting;

namespace RbdReplication.Csi.Grpc;

/// <summary>What is wrong with a body that is to be one gRPC message.</summary>
internal enum WireProblem
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>There is no byte of it, as in an answer that is a status alone.</summary>
    Empty,

    /// <summary>It announces more than <see cref="ServeLimits.MessageBytes"/>; nothing more of it was read.</summary>
    TooLarge,

    /// <summary>It ends early, or does not begin as a message does.</summary>
    Malformed,

    /// <summary>Something follows the message: a stream of them.</summary>
    Stream,
}

/// <summary>
/// A gRPC message as it is on the wire: a flag whether it is compressed, its length in four bytes, and its bytes, which nobody looks at here.
/// </summary>
internal static class WireMessage
{
    private const int PrefixBytes = 5;

    /// <summary>Reads a body that is to have one message, and no more memory than <see cref="ServeLimits.MessageBytes"/> for it.</summary>
    /// <returns>The message with its prefix where there is no problem.</returns>
    public static async ValueTask<(WireProblem Problem, byte[] Message)> ReadAsync(Stream body, CancellationToken cancellationToken)
    {
        var prefix = new byte[PrefixBytes];
        var read = await body.ReadAtLeastAsync(prefix, PrefixBytes, throwOnEndOfStream: false, cancellationToken);
        if (read < PrefixBytes)
            return (read == 0 ? WireProblem.Empty : WireProblem.Malformed, []);
        var length = BinaryPrimitives.ReadUInt32BigEndian(prefix.AsSpan(1));
        if (prefix[0] > 1)
            return (WireProblem.Malformed, []);
        if (length > ServeLimits.MessageBytes)
            return (WireProblem.TooLarge, []);
        // Not cleared: of a message that is announced and does not come no memory is touched.
        var message = GC.AllocateUninitializedArray<byte>(PrefixBytes + (int)length);
        prefix.CopyTo(message, 0);
        read = await body.ReadAtLeastAsync(message.AsMemory(PrefixBytes), (int)length, throwOnEndOfStream: false, cancellationToken);
        if (read < length)
            return (WireProblem.Malformed, []);
        // The end has to be seen: of an answer the trailers come with it.
        return await body.ReadAsync(prefix.AsMemory(0, 1), cancellationToken) == 0 ? (WireProblem.None, message) : (WireProblem.Stream, []);
    }
}
