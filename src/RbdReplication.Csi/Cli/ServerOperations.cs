using System.Net;
using System.Text.Json;
using RbdReplication.Csi.Hosting;

namespace RbdReplication.Csi.Cli;

/// <summary>Asks a running server what it is doing to volumes; nobody else knows which operations outlive their callers.</summary>
internal static class ServerOperations
{
    /// <summary>The operations under way, and what stood in the way of asking; neither where there is no socket.</summary>
    public static async Task<(IReadOnlyList<OperationJson> Operations, string? Problem)> ReadAsync(string socketPath, CancellationToken cancellationToken)
    {
        if (!File.Exists(socketPath))
            return ([], null);
        using var http = new HttpClient(UnixSocket.HttpHandler(socketPath))
        {
            BaseAddress = new Uri("http://localhost"),
            DefaultRequestVersion = HttpVersion.Version20,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        try
        {
            var document = await http.GetFromJsonAsync(OperationsJson.Path, OperationsJsonContext.Default.OperationsJson, cancellationToken);
            return (document!.Operations, null);
        }
        catch (Exception e) when (e is HttpRequestException or JsonException)
        {
            return ([], $"no server tells its operations on {socketPath}: {e.Message}");
        }
    }
}
