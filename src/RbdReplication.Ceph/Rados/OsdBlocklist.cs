using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;

namespace RbdReplication.Ceph;

/// <summary>
/// The cluster's list of addresses whose clients the OSDs refuse, as far as it concerns whole addresses and blocks of them; what is on it
/// of single clients is left alone. Reading needs <c>profile rbd</c> for mon, and adding too; removing needs <c>allow command "osd blocklist"</c>.
/// </summary>
/// <param name="cluster">Connection to the cluster.</param>
public sealed class OsdBlocklist(RadosCluster cluster)
{
    private const string ListCommand = """{"prefix": "osd blocklist ls", "format": "json"}""";

    /// <summary>What is on it now, in one command.</summary>
    /// <exception cref="CephException">The command has failed.</exception>
    public async Task<BlockedAddresses> ReadAsync(CancellationToken cancellationToken) =>
        Parse(await cluster.MonCommandAsync(ListCommand, cancellationToken).ConfigureAwait(false));

    // Two arrays one behind the other, [{"addr": …}][{"range": …}]; of one monitor that knows no ranges only the first (16.2 to 20.2).
    internal static BlockedAddresses Parse(string json)
    {
        List<CidrBlock> ranges = [];
        List<IPAddress> addresses = [];
        var arrays = 0;
        var name = "";
        var reader = new Utf8JsonReader(Encoding.UTF8.GetBytes(json), new JsonReaderOptions { AllowMultipleValues = true });
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.StartArray)
                arrays++;
            else if (reader.TokenType == JsonTokenType.PropertyName)
                name = reader.GetString()!;
            else if (reader.TokenType == JsonTokenType.String && name == "range" && ReadEntry(reader.GetString()!) is ({ } ip, _, var length))
                ranges.Add(new(ip, length));
            else if (reader.TokenType == JsonTokenType.String && name == "addr" && ReadEntry(reader.GetString()!) is ({ } whole, 0, 0))
                addresses.Add(whole);
        }
        return new BlockedAddresses(ranges, addresses, KnowsRanges: arrays > 1);
    }

    // 192.0.2.1:0/0, [2001:db8::]:0/64: address, port, and what stands behind the slash, which of a range is its length.
    private static (IPAddress? Ip, int Port, int Number) ReadEntry(string text)
    {
        int slash = text.LastIndexOf('/'), colon = slash < 0 ? -1 : text.LastIndexOf(':', slash);
        return colon > 0
            && IPAddress.TryParse(text.AsSpan(0, colon).Trim("[]"), out var ip)
            && int.TryParse(text.AsSpan(colon + 1, slash - colon - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port)
            // The number of a client may be larger.
            && int.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? (ip, port, number)
            : (null, 0, 0);
    }

    /// <summary>Refuses the clients of a block. Only where <see cref="BlockedAddresses.KnowsRanges"/>: others take it for a single client.</summary>
    /// <param name="block">The block.</param>
    /// <param name="duration">For how long; it is renewed where it is on the list already.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="CephException">EACCES: the user's capabilities do not allow it.</exception>
    public Task AddAsync(CidrBlock block, TimeSpan duration, CancellationToken cancellationToken) =>
        SendAsync("add", block.ToString(), isRange: true, duration, cancellationToken);

    /// <summary>Refuses the clients of an address.</summary>
    /// <inheritdoc cref="AddAsync(CidrBlock, TimeSpan, CancellationToken)" path="/exception"/>
    public Task AddAsync(IPAddress address, TimeSpan duration, CancellationToken cancellationToken) =>
        SendAsync("add", Whole(address), isRange: false, duration, cancellationToken);

    /// <summary>Takes a block off the list, which is no error where it is not on it.</summary>
    /// <inheritdoc cref="AddAsync(CidrBlock, TimeSpan, CancellationToken)" path="/exception"/>
    public Task RemoveAsync(CidrBlock block, CancellationToken cancellationToken) =>
        SendAsync("rm", block.ToString(), isRange: true, duration: null, cancellationToken);

    /// <summary>Takes an address off the list, which is no error where it is not on it.</summary>
    /// <inheritdoc cref="AddAsync(CidrBlock, TimeSpan, CancellationToken)" path="/exception"/>
    public Task RemoveAsync(IPAddress address, CancellationToken cancellationToken) =>
        SendAsync("rm", Whole(address), isRange: false, duration: null, cancellationToken);

    // With port and number, zero for all: profile rbd lets nobody add an address without.
    private static string Whole(IPAddress address) => address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"[{address}]:0/0" : $"{address}:0/0";

    private Task<string> SendAsync(string operation, string address, bool isRange, TimeSpan? duration, CancellationToken cancellationToken)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("prefix", "osd blocklist");
            if (isRange)
                json.WriteString("range", "range");
            json.WriteString("blocklistop", operation);
            json.WriteString("addr", address);
            // A number with a fraction: the monitor takes no other.
            if (duration is { } time)
            {
                json.WritePropertyName("expire");
                json.WriteRawValue(time.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture));
            }
            json.WriteEndObject();
        }
        return cluster.MonCommandAsync(Encoding.UTF8.GetString(buffer.ToArray()), cancellationToken);
    }
}

/// <summary>What is on a cluster's blocklist.</summary>
/// <param name="Ranges">Blocks of addresses.</param>
/// <param name="Addresses">Single addresses, with all their clients.</param>
/// <param name="KnowsRanges">Whether the monitors know of ranges: those from 17 on, and late ones of 16.2.</param>
public sealed record BlockedAddresses(IReadOnlyList<CidrBlock> Ranges, IReadOnlyList<IPAddress> Addresses, bool KnowsRanges);
