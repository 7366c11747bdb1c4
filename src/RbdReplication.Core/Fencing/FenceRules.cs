using System.Net;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Which addresses may be fenced, decided by what is seen of the cluster.</summary>
public static class FenceRules
{
    /// <summary>How many single addresses are fenced where the cluster knows no ranges.</summary>
    public const int MaximumAddresses = 1 << MaximumFreeBits;

    /// <summary>The same, of one block.</summary>
    public const int MaximumFreeBits = 10;

    // Every client and OSD gets the list with each change of it.
    private const int MaximumBlocks = 1024;

    // No network of nodes is larger: 10.0.0.0/8 is the largest private one, and a provider's whole share of IPv6 is a /32.
    private const int ShortestIpv4 = 8;
    private const int ShortestIpv6 = 32;

    /// <summary>
    /// Why a block is not to be fenced. Null: it may be. A single address of a monitor may, for a node that is lost and had one.
    /// </summary>
    /// <param name="block">The block.</param>
    /// <param name="own">This client's addresses, as the cluster sees them.</param>
    /// <param name="monitors">The monitors' addresses.</param>
    public static string? WhyNot(CidrBlock block, IReadOnlyCollection<IPAddress> own, IReadOnlyCollection<IPAddress> monitors)
    {
        const string Force = "; parameter force: \"true\" fences it all the same";
        if (block != block.Normal)
            return $"it has bits set behind its prefix; write {block.Normal} for the whole block or {CidrBlock.Of(block.Address)} for the one address";
        if (block.PrefixLength < (block.IsIpv6 ? ShortestIpv6 : ShortestIpv4))
            return $"it is larger than any network of nodes{Force}";
        if (own.FirstOrDefault(block.Contains) is { } mine)
            return $"{mine} in it is this server's own address, which would cut it off from the cluster{Force}";
        if (block.FreeBits > 0 && monitors.FirstOrDefault(block.Contains) is { } monitor)
            return $"{monitor} in it is a monitor's address, so it looks like the storage's network and not the nodes'{Force}";
        return null;
    }

    /// <summary>Why blocks that may be fenced one by one may not be together. Null: they may.</summary>
    public static string? WhyNotTogether(IReadOnlyCollection<CidrBlock> blocks, IReadOnlyCollection<IPAddress> monitors)
    {
        var all = monitors.Distinct().ToList();
        var hit = all.Count(monitor => blocks.Any(block => block.Contains(monitor)));
        return hit * 2 <= all.Count
            ? null
            : $"{hit} of {all.Count} addresses of monitors are among them, so they look like the storage's hosts and not the nodes'; parameter force: \"true\" fences them all the same";
    }

    /// <summary>Why these are too many for the cluster's list. Null: they are not.</summary>
    public static string? WhyTooManyBlocks(IReadOnlyCollection<CidrBlock> blocks) =>
        blocks.Count <= MaximumBlocks ? null : $"{blocks.Count} blocks are more than {MaximumBlocks}; name fewer that are larger";

    /// <summary>Why blocks are too many addresses for a cluster that knows no ranges. Null: they are not.</summary>
    public static string? WhyTooMany(IReadOnlyCollection<CidrBlock> blocks)
    {
        var count = blocks.Sum(block => Math.Pow(2, block.FreeBits));
        return count <= MaximumAddresses
            ? null
            : $"its monitors know no ranges, which came with Ceph 17, and {count:0} single addresses are more than {MaximumAddresses}; name smaller blocks, or upgrade the monitors";
    }
}
