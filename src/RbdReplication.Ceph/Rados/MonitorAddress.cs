using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace RbdReplication.Ceph;

/// <summary>The messenger protocols that a monitor may speak at an address. <c>msg/msg_types.h</c>.</summary>
internal enum MonitorProtocol
{
    /// <summary>The address does not say.</summary>
    Any,

    /// <summary>Version 1, by default at port 6789.</summary>
    V1,

    /// <summary>Version 2, by default at port 3300.</summary>
    V2,
}

/// <summary>One address of a monitor, as it is written.</summary>
/// <param name="Protocol">The protocol, where it is given or follows from the port.</param>
/// <param name="Host">A name in lower case, or an IP address in its shortest form.</param>
/// <param name="Port">The port; 0 where none is given: then the monitor is at the default ports of both protocols.</param>
internal sealed record MonitorAddress(MonitorProtocol Protocol, string Host, ushort Port)
{
    private const ushort PortV1 = 6789;
    private const ushort PortV2 = 3300;

    /// <summary>The host, where it is an IP address and no name.</summary>
    public IPAddress? Ip => IPAddress.TryParse(Host, out var ip) ? ip : null;

    /// <summary>With both protocols where they follow from the absence of a port.</summary>
    public IEnumerable<MonitorAddress> WithDefaults() => this switch
    {
        { Port: 0, Protocol: MonitorProtocol.Any } => [this with { Protocol = MonitorProtocol.V2, Port = PortV2 }, this with { Protocol = MonitorProtocol.V1, Port = PortV1 }],
        { Port: 0, Protocol: MonitorProtocol.V1 } => [this with { Port = PortV1 }],
        { Port: 0 } => [this with { Port = PortV2 }],
        { Protocol: MonitorProtocol.Any, Port: PortV1 } => [this with { Protocol = MonitorProtocol.V1 }],
        { Protocol: MonitorProtocol.Any, Port: PortV2 } => [this with { Protocol = MonitorProtocol.V2 }],
        _ => [this],
    };

    /// <summary>Reads <c>v2:10.0.0.1:3300/0</c>, <c>10.0.0.1</c>, <c>[fd00::1]:6789</c>, <c>mon-a.example:6789</c> and the like; null if it is none.</summary>
    /// <remarks>The number behind the slash only tells clients of one address apart. A monitor's is 0, and librados finds none with another.</remarks>
    public static MonitorAddress? TryParse(string text)
    {
        var protocol = MonitorProtocol.Any;
        foreach (var (prefix, named) in ((string, MonitorProtocol)[])[("v1:", MonitorProtocol.V1), ("v2:", MonitorProtocol.V2), ("any:", MonitorProtocol.Any)])
        {
            if (!text.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))
                continue;
            (protocol, text) = (named, text[prefix.Length..]);
            break;
        }
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        if (slash >= 0 && !uint.TryParse(text[(slash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out _))
            return null;
        var place = slash < 0 ? text : text[..slash];
        // An IPv6 address without a port has colons, too.
        var colon = place.EndsWith(']') || (!place.StartsWith('[') && place.IndexOf(':') != place.LastIndexOf(':')) ? -1 : place.LastIndexOf(':');
        ushort port = 0;
        if (colon >= 0 && !ushort.TryParse(place[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out port))
            return null;
        return ReadHost(colon < 0 ? place : place[..colon]) is { } host ? new MonitorAddress(protocol, host, port) : null;
    }

    private static string? ReadHost(string text)
    {
        var isBracketed = text.StartsWith('[') && text.EndsWith(']');
        var bare = isBracketed ? text[1..^1] : text;
        if (bare.Contains(':', StringComparison.Ordinal))
        {
            // librados knows no zones.
            return !bare.Contains('%', StringComparison.Ordinal) && IPAddress.TryParse(bare, out var ip) && IsUsable(ip) ? Plain(ip) : null;
        }
        if (isBracketed)
            return null;
        // .NET reads "1" and "010.0.0.1" as addresses, each its own way.
        if (IPAddress.TryParse(bare, out var ipv4))
            return ipv4.ToString() == bare && IsUsable(ipv4) ? bare : null;
        return IsName(bare) ? bare.ToLowerInvariant().TrimEnd('.') : null;
    }

    /// <summary>An IP address in one form only: IPv4 in IPv6 is IPv4.</summary>
    public static string Plain(IPAddress ip) => (ip.IsIPv4MappedToIPv6 ? ip.MapToIPv4() : ip).ToString();

    private static bool IsUsable(IPAddress ip) => !ip.Equals(IPAddress.Any) && !ip.Equals(IPAddress.IPv6Any) && !ip.Equals(IPAddress.Broadcast);

    private static bool IsName(string text)
    {
        const int MaximumLabel = 63, MaximumName = 253;
        var labels = text.TrimEnd('.').Split('.');
        return text.Length <= MaximumName
            && labels.All(label => label.Length is > 0 and <= MaximumLabel && label.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'))
            && !labels[^1].All(char.IsAsciiDigit);
    }

    /// <summary>As librados reads it.</summary>
    public override string ToString()
    {
        var prefix = Protocol switch { MonitorProtocol.V1 => "v1:", MonitorProtocol.V2 => "v2:", _ => "" };
        var host = Ip is { AddressFamily: AddressFamily.InterNetworkV6 } ? $"[{Host}]" : Host;
        return $"{prefix}{host}{(Port == 0 ? "" : $":{Port.ToString(CultureInfo.InvariantCulture)}")}";
    }
}
