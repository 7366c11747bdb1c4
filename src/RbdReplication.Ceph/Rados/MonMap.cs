using System.Net;
using System.Text.Json;

namespace RbdReplication.Ceph;

/// <summary>Where the monitors of a cluster are, as they say themselves.</summary>
public static class MonMap
{
    private const string Command = """{"prefix": "mon dump", "format": "json"}""";

    /// <summary>IP addresses of all monitors, in one command.</summary>
    /// <exception cref="CephException">The command has failed.</exception>
    public static async Task<IReadOnlyList<IPAddress>> ReadAsync(RadosCluster cluster, CancellationToken cancellationToken)
    {
        using var document = JsonDocument.Parse(await cluster.MonCommandAsync(Command, cancellationToken).ConfigureAwait(false));
        return [.. from monitor in document.RootElement.GetProperty("mons").EnumerateArray()
                   from address in monitor.GetProperty("public_addrs").GetProperty("addrvec").EnumerateArray()
                   from ip in ReadAddresses(address.GetProperty("addr").GetString() ?? "")
                   select ip];
    }

    /// <summary>The IP addresses in Ceph's words for one or several: <c>[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]</c>, <c>10.0.0.1:0/4151</c>.</summary>
    internal static IReadOnlyList<IPAddress> ReadAddresses(string text)
    {
        try
        {
            return [.. MonitorList.Parse([text]).Addresses.Select(address => address.Ip).OfType<IPAddress>().Distinct()];
        }
        catch (FormatException)
        {
            return [];
        }
    }
}
