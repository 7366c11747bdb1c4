using System.Globalization;
using System.Text;
using Grpc.Core;

namespace RbdReplication.Csi.Grpc;

/// <summary>Answers that are written without gRPC's own library, in the form of its HTTP/2 protocol.</summary>
internal static class GrpcAnswer
{
    /// <summary>Header or trailer with the number of the code.</summary>
    public const string StatusHeader = "grpc-status";

    /// <summary>Header or trailer with the message, percent-encoded.</summary>
    public const string MessageHeader = "grpc-message";

    /// <summary>Begin of the content type of every gRPC request and answer.</summary>
    public const string ContentType = "application/grpc";

    /// <summary>Whether something with this content type is a gRPC message.</summary>
    public static bool IsGrpc(string? contentType) => contentType?.StartsWith(ContentType, StringComparison.Ordinal) == true;

    /// <summary>Makes the answer a failure without a message of its own: code and text are in its headers.</summary>
    public static void Fail(HttpResponse response, StatusCode code, string message)
    {
        response.ContentType = ContentType;
        response.Headers[StatusHeader] = ((int)code).ToString(CultureInfo.InvariantCulture);
        response.Headers[MessageHeader] = Encode(message);
    }

    /// <summary>Percent-encodes what a header may not have, as gRPC does it with messages.</summary>
    public static string Encode(string message) => message.AsSpan().ContainsAnyExceptInRange(' ', '~') || message.Contains('%', StringComparison.Ordinal)
        ? string.Concat(Encoding.UTF8.GetBytes(message).Select(static octet =>
            octet is >= (byte)' ' and <= (byte)'~' and not (byte)'%' ? ((char)octet).ToString() : $"%{octet:X2}"))
        : message;
}
