using System.Net;

namespace RbdReplication.Ceph;

/// <summary>
/// The monitors of a cluster in normal form: as people and Ceph write them, without the duplicates on which librados ends the
/// process (seen on 16.2).
/// </summary>
public sealed class MonitorList
{
    // librados gives the addresses names of one letter and ends the process when those run out.
    private const int MaximumMonitors = 64;

    private readonly MonitorAddress[][] _monitors;

    private MonitorList(IEnumerable<MonitorAddress[]> monitors) => _monitors = [.. Distinct(monitors)];

    internal IEnumerable<MonitorAddress> Addresses => _monitors.SelectMany(monitor => monitor);

    /// <summary>
    /// Reads the entries of a configuration: each one or more of <c>10.0.0.1:6789</c>, <c>mon-a.example</c>,
    /// <c>v2:10.0.0.1:3300/0</c>, <c>[fd00::1]:6789</c> and <c>[v2:10.0.0.1:3300,v1:10.0.0.1:6789]</c>, separated by commas,
    /// semicolons or blanks.
    /// </summary>
    /// <exception cref="FormatException">Names the entry that is no address, or says that there is none or are too many.</exception>
    public static MonitorList Parse(IEnumerable<string?> entries)
    {
        var list = new MonitorList(entries.SelectMany(entry => Split(entry ?? "").Select(Monitor)).ToList());
        return list._monitors.Length switch
        {
            0 => throw new FormatException("no monitor is listed"),
            > MaximumMonitors => throw new FormatException($"{list._monitors.Length} monitors are listed, more than {MaximumMonitors}"),
            _ => list,
        };
    }

    private static MonitorAddress[] Monitor(string text)
    {
        // "[fd00::1]:6789" begins with a bracket, too.
        if (MonitorAddress.TryParse(text) is { } address)
            return [address];
        var parts = text.StartsWith('[') && text.EndsWith(']') ? Split(text[1..^1]).ToList() : [];
        var addresses = parts.Select(MonitorAddress.TryParse).OfType<MonitorAddress>().ToArray();
        return addresses.Length > 0 && addresses.Length == parts.Count
            ? addresses
            : throw new FormatException($"\"{text}\" is no address of a monitor");
    }

    // At separators that stand outside of brackets; one vector may follow another without any.
    private static IEnumerable<string> Split(string text)
    {
        var start = 0;
        var depth = 0;
        for (var i = 0; i < text.Length; i++)
        {
            depth += text[i] switch { '[' => 1, ']' => -1, _ => 0 };
            var isSeparator = depth == 0 && (text[i] is ',' or ';' || char.IsWhiteSpace(text[i]));
            var isNextVector = depth == 1 && text[i] == '[' && i > start && text[i - 1] == ']';
            if (!isSeparator && !isNextVector)
                continue;
            if (i > start)
                yield return text[start..i];
            start = isSeparator ? i + 1 : i;
        }
        if (text.Length > start)
            yield return text[start..];
    }

    // An address whose protocol is not known is left out where another entry knows it.
    private static IEnumerable<MonitorAddress[]> Distinct(IEnumerable<MonitorAddress[]> monitors)
    {
        var all = monitors.Select(monitor => monitor.SelectMany(address => address.WithDefaults()).ToArray()).ToList();
        var known = all.SelectMany(monitor => monitor).Where(address => address.Protocol != MonitorProtocol.Any).Select(address => (address.Host, address.Port)).ToHashSet();
        var seen = new HashSet<MonitorAddress>();
        return all
            .Select(monitor => monitor.Where(address => (address.Protocol != MonitorProtocol.Any || !known.Contains((address.Host, address.Port))) && seen.Add(address)).ToArray())
            .Where(monitor => monitor.Length > 0);
    }

    /// <summary>With IP addresses in place of names, and again without duplicates; names that cannot be resolved in time are left out.</summary>
    /// <exception cref="FormatException">Nothing is left.</exception>
    internal async Task<MonitorList> ResolveAsync(TimeSpan patience)
    {
        var names = Addresses.Where(address => address.Ip is null).Select(address => address.Host).Distinct().ToList();
        var found = (await Task.WhenAll(names.Select(name => ResolveAsync(name, patience))).ConfigureAwait(false))
            .Zip(names).ToDictionary(pair => pair.Second, pair => pair.First);
        // A name that has several IP addresses stands for several monitors.
        var resolved = new MonitorList(_monitors.SelectMany(monitor => monitor
            .SelectMany(address => found.GetValueOrDefault(address.Host, [address.Host]).Select((ip, i) => (Address: address with { Host = ip }, Place: i)))
            .GroupBy(entry => entry.Place, entry => entry.Address)
            .Select(group => group.ToArray())));
        return resolved._monitors.Length > 0 ? resolved : throw new FormatException($"{string.Join(", ", names)} cannot be resolved");
    }

    private static async Task<string[]> ResolveAsync(string name, TimeSpan patience)
    {
        try
        {
            var addresses = await Dns.GetHostAddressesAsync(name).WaitAsync(patience).ConfigureAwait(false);
            return [.. addresses.Select(MonitorAddress.Plain).Distinct()];
        }
        catch (Exception e) when (e is System.Net.Sockets.SocketException or TimeoutException)
        {
            return [];
        }
    }

    /// <summary>Only the addresses that <paramref name="keep"/> chooses; null if these are none or all.</summary>
    internal MonitorList? Where(Func<MonitorAddress, bool> keep)
    {
        var chosen = new MonitorList(_monitors.Select(monitor => monitor.Where(keep).ToArray()));
        return chosen._monitors.Length == 0 || chosen.Addresses.Count() == Addresses.Count() ? null : chosen;
    }

    /// <summary>With each protocol where an address does not say which.</summary>
    internal MonitorList WithEachProtocol() => new(_monitors.SelectMany(monitor => monitor.Any(address => address.Protocol == MonitorProtocol.Any)
        ? monitor.SelectMany(address => address.Protocol == MonitorProtocol.Any
            ? [address with { Protocol = MonitorProtocol.V2 }, address with { Protocol = MonitorProtocol.V1 }]
            : (MonitorAddress[])[address]).Select(address => (MonitorAddress[])[address])
        : [monitor]));

    /// <summary>The setting <c>mon_host</c>; the same text for all ways to write the same list.</summary>
    public override string ToString() => string.Join(',', _monitors
        .Select(monitor => monitor.Length == 1 ? monitor[0].ToString() : $"[{string.Join(',', monitor.Select(address => address.ToString()).OrderDescending(StringComparer.Ordinal))}]")
        .Order(StringComparer.Ordinal));
}
