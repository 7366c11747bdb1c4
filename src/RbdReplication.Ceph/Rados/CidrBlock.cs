using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace RbdReplication.Ceph;

/// <summary>A block of IP addresses, as it was written: Ceph keeps bits behind the prefix, and tells blocks that differ in them apart.</summary>
/// <param name="Address">An address of it.</param>
/// <param name="PrefixLength">Number of bits that all its addresses have in common.</param>
public sealed record CidrBlock(IPAddress Address, int PrefixLength)
{
    private const int BitsOfByte = 8;

    /// <summary>A single address.</summary>
    public static CidrBlock Of(IPAddress address) => new(address, address.GetAddressBytes().Length * BitsOfByte);

    /// <summary>Whether it is one of IPv6.</summary>
    public bool IsIpv6 => Address.AddressFamily == AddressFamily.InterNetworkV6;

    /// <summary>Number of bits in which its addresses differ.</summary>
    public int FreeBits => Address.GetAddressBytes().Length * BitsOfByte - PrefixLength;

    /// <summary>The same block without bits behind the prefix.</summary>
    public CidrBlock Normal
    {
        get
        {
            var bytes = Address.GetAddressBytes();
            for (var i = 0; i < bytes.Length; i++)
                bytes[i] &= MaskOf(i);
            return this with { Address = new IPAddress(bytes) };
        }
    }

    /// <summary>Whether an address is in it.</summary>
    public bool Contains(IPAddress address)
    {
        byte[] mine = Address.GetAddressBytes(), other = address.GetAddressBytes();
        return mine.Length == other.Length && Enumerable.Range(0, mine.Length).All(i => ((mine[i] ^ other[i]) & MaskOf(i)) == 0);
    }

    /// <summary>All its addresses, the first one first.</summary>
    /// <param name="maximum">Not more than these.</param>
    public IEnumerable<IPAddress> Addresses(int maximum)
    {
        var bytes = Normal.Address.GetAddressBytes();
        for (var count = 0; count < maximum && (FreeBits >= 31 || count < 1 << FreeBits); count++)
        {
            yield return new IPAddress(bytes);
            for (var i = bytes.Length - 1; i >= 0 && ++bytes[i] == 0; i--)
            {
            }
        }
    }

    // The bits of a byte that belong to the prefix.
    private byte MaskOf(int index) => (byte)(0xFF00 >> Math.Clamp(PrefixLength - index * BitsOfByte, 0, BitsOfByte));

    /// <summary>Reads <c>192.0.2.0/24</c> or <c>2001:db8::/64</c>.</summary>
    /// <param name="text">The text.</param>
    /// <param name="block">The block; bits behind the prefix stay.</param>
    /// <param name="problem">What is wrong with it.</param>
    public static bool TryParse(string text, out CidrBlock block, out string problem)
    {
        block = new(IPAddress.None, 0);
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0)
        {
            problem = "it has no prefix length; a single address is written ADDRESS/32, or ADDRESS/128 for IPv6";
            return false;
        }
        // .NET reads "1" and "010.0.0.1" as addresses, each its own way, and Ceph knows no zones.
        if (!IPAddress.TryParse(text.AsSpan(0, slash), out var address) || !IsPlain(text[..slash], address))
        {
            problem = "what is before the slash is no IP address";
            return false;
        }
        if (!int.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var length) || length > Of(address).PrefixLength)
        {
            problem = $"what is behind the slash is no number from 0 to {Of(address).PrefixLength}";
            return false;
        }
        (block, problem) = (new(address, length), "");
        return true;
    }

    private static bool IsPlain(string text, IPAddress address) => address.AddressFamily == AddressFamily.InterNetwork
        ? address.ToString() == text
        : !address.IsIPv4MappedToIPv6 && !text.AsSpan().ContainsAny('%', '[', ']');

    /// <summary>As it is written.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Address}/{PrefixLength}");
}
