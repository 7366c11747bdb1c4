using System.Text.Json;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Faults;

/// <summary>Who of the clients of a site is a mirror daemon.</summary>
public static class MirrorClients
{
    private const string DaemonPrefix = "client.rbd-mirror";

    /// <summary>Addresses of the mirror daemons that are connected to a site, as watchers and locks have them.</summary>
    public static async Task<IReadOnlySet<string>> AddressesAsync(Site site)
    {
        using var sessions = JsonDocument.Parse(await site.CephAsync("tell", "mon.a", "sessions", "--format", "json"));
        return sessions.RootElement.EnumerateArray()
            .Where(session => session.GetProperty("entity_name").GetString()!.StartsWith(DaemonPrefix, StringComparison.Ordinal))
            .SelectMany(session => session.GetProperty("addrs").GetProperty("addrvec").EnumerateArray())
            .Select(address => $"{address.GetProperty("addr").GetString()}/{address.GetProperty("nonce").GetInt64()}")
            .ToHashSet();
    }
}
