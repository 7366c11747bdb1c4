using System.Collections.Concurrent;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// Cutting the clients of whole networks off from a cluster, and letting them in again, by the cluster's blocklist. Each call can be repeated,
/// and finishes what an earlier one has begun.
/// </summary>
/// <param name="files">Cluster configuration.</param>
/// <param name="connections">Connections to clusters.</param>
public sealed class NetworkFencing(ClusterFiles files, ClusterConnections connections)
{
    // The blocklist knows no end of time: as long as ceph-csi's entries.
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(157_784_760);

    private const int MaximumNamed = 16;

    /// <summary>Refuses the clients of all blocks, for five years. Success means that the cluster's blocklist has them.</summary>
    /// <exception cref="ReplicationException">
    /// InvalidArgument: a block is not to be fenced, see <see cref="FenceRules"/>; nothing was done. Else names what is done and what is not.
    /// </exception>
    public async Task FenceAsync(FenceRequest request, CancellationToken cancellationToken)
    {
        var doing = $"fence addresses at cluster {request.ClusterId}";
        var connection = await ConnectAsync(request, cancellationToken).ConfigureAwait(false);
        var list = new OsdBlocklist(connection.Cluster);
        var before = await RunAsync(connection, doing, () => list.ReadAsync(cancellationToken), cancellationToken).ConfigureAwait(false);
        var blocks = request.Force ? [.. request.Blocks.Select(block => block.Normal).Distinct()] : request.Blocks;
        Require(doing, "", FenceRules.WhyTooManyBlocks(blocks));
        if (!request.Force)
            await CheckAsync(connection, doing, [.. blocks.Where(block => !IsFenced(block, before))], cancellationToken).ConfigureAwait(false);
        if (!before.KnowsRanges)
            Require(doing, "", FenceRules.WhyTooMany(blocks));
        await ForEachAsync(
            connection, doing, blocks,
            before.KnowsRanges
                ? block => [list.AddAsync(block, Duration, cancellationToken)]
                : block => block.Addresses(FenceRules.MaximumAddresses).Select(address => list.AddAsync(address, Duration, cancellationToken)),
            cancellationToken).ConfigureAwait(false);
        var after = await RunAsync(connection, doing, () => list.ReadAsync(cancellationToken), cancellationToken).ConfigureAwait(false);
        var missing = blocks.Where(block => !IsFenced(block, after with { KnowsRanges = before.KnowsRanges })).ToList();
        if (missing.Count > 0)
            throw new ReplicationException(ReplicationError.Unavailable, $"cannot {doing}: its blocklist does not show {Names(missing)}; retry");
    }

    // What is fenced already stays so when it is asked for again, whoever has fenced it.
    private static bool IsFenced(CidrBlock block, BlockedAddresses list) => list.KnowsRanges ? list.Ranges.Contains(block) : AreListed(block, list);

    private static bool AreListed(CidrBlock block, BlockedAddresses list) =>
        block.FreeBits <= FenceRules.MaximumFreeBits && !block.Addresses(FenceRules.MaximumAddresses).Except(list.Addresses).Any();

    private async Task CheckAsync(ClusterConnection connection, string doing, IReadOnlyList<CidrBlock> blocks, CancellationToken cancellationToken)
    {
        if (blocks.Count == 0)
            return;
        var monitors = await RunAsync(connection, doing, () => MonMap.ReadAsync(connection.Cluster, cancellationToken), cancellationToken).ConfigureAwait(false);
        var own = connection.Cluster.GetAddresses();
        if (own.Count == 0 || monitors.Count == 0)
            throw new ReplicationException(ReplicationError.Unavailable, $"cannot {doing}: its monitors' addresses or this server's own are not known, so it cannot be told who would be cut off; retry");
        foreach (var block in blocks)
            Require(doing, $"{block}: ", FenceRules.WhyNot(block, own, monitors));
        Require(doing, "", FenceRules.WhyNotTogether(blocks, monitors));
    }

    private static void Require(string doing, string subject, string? obstacle)
    {
        if (obstacle is not null)
            throw new ReplicationException(ReplicationError.InvalidArgument, $"cannot {doing}: {subject}{obstacle}");
    }

    /// <summary>
    /// Lets the clients of all blocks in again: takes the blocks off the list. Single addresses in a block are somebody else's fences, of a
    /// lost node say, and stay: unless the block is one address, or all of it is listed address by address, or the cluster knows no ranges.
    /// </summary>
    /// <exception cref="ReplicationException">Names what is done and what is not.</exception>
    public async Task UnfenceAsync(FenceRequest request, CancellationToken cancellationToken)
    {
        var doing = $"unfence addresses at cluster {request.ClusterId}";
        var connection = await ConnectAsync(request, cancellationToken).ConfigureAwait(false);
        var list = new OsdBlocklist(connection.Cluster);
        var blocked = await RunAsync(connection, doing, () => list.ReadAsync(cancellationToken), cancellationToken).ConfigureAwait(false);
        // ceph-csi leaves ranges as they were written, with bits behind the prefix.
        await ForEachAsync(
            connection, doing, request.Blocks,
            block =>
            {
                var ranges = blocked.Ranges.Where(range => range.Normal == block.Normal).Select(range => list.RemoveAsync(range, cancellationToken));
                return blocked.KnowsRanges && !AreListed(block, blocked)
                    ? ranges
                    : ranges.Concat(blocked.Addresses.Where(block.Contains).Select(address => list.RemoveAsync(address, cancellationToken)));
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What is cut off, by whomever: blocks of addresses, and single ones with all their clients. Single clients are not listed.</summary>
    /// <exception cref="ReplicationException">The cluster cannot be asked.</exception>
    public async Task<IReadOnlyList<string>> ListAsync(FenceRequest request, CancellationToken cancellationToken)
    {
        var connection = await ConnectAsync(request, cancellationToken).ConfigureAwait(false);
        var blocked = await RunAsync(
            connection, $"list the addresses that are fenced at cluster {request.ClusterId}",
            () => new OsdBlocklist(connection.Cluster).ReadAsync(cancellationToken), cancellationToken).ConfigureAwait(false);
        return [.. blocked.Ranges.Concat(blocked.Addresses.Select(CidrBlock.Of)).Select(block => block.ToString()).Distinct().Order(StringComparer.Ordinal)];
    }

    private Task<ClusterConnection> ConnectAsync(FenceRequest request, CancellationToken cancellationToken)
    {
        var config = files.Read().Config;
        var cluster = config.Find(request.ClusterId)
            ?? throw new ReplicationException(
                ReplicationError.NotConfigured,
                $"cluster {request.ClusterId} of parameter {FenceRequest.ClusterKey} is not in config.json; add it there, or correct the parameter");
        if (Places.OfOtherSites(config, [cluster]) is [var other])
            throw other.Why;
        return connections.GetAsync(cluster, request.Credentials, cancellationToken);
    }

    private async Task ForEachAsync(
        ClusterConnection connection, string doing, IReadOnlyList<CidrBlock> blocks, Func<CidrBlock, IEnumerable<Task>> steps, CancellationToken cancellationToken)
    {
        var done = new ConcurrentDictionary<CidrBlock, bool>();
        try
        {
            await RunAsync(
                connection, doing,
                async () =>
                {
                    // One that fails does not keep the others from being done.
                    await Task.WhenAll(blocks.Select(async block =>
                    {
                        await Task.WhenAll(steps(block)).ConfigureAwait(false);
                        done[block] = true;
                    })).ConfigureAwait(false);
                    return true;
                },
                cancellationToken).ConfigureAwait(false);
        }
        catch (ReplicationException e)
        {
            var left = blocks.Where(block => !done.ContainsKey(block)).ToList();
            throw new ReplicationException(e.Error, $"{e.Message}; done: {Names(done.Keys)}; not done: {Names(left)}; a retry finishes it", e);
        }
    }

    private async Task<T> RunAsync<T>(ClusterConnection connection, string doing, Func<Task<T>> call, CancellationToken cancellationToken)
    {
        try
        {
            return await call().ConfigureAwait(false);
        }
        catch (CephException e)
        {
            connections.DropIfCutOff(connection, e);
            var meaning = ReplicationException.From(e, doing);
            throw meaning.Error == ReplicationError.AccessDenied ? new(meaning.Error, $"{meaning.Message}; {WhatItNeeds}", e) : meaning;
        }
        catch (ObjectDisposedException e)
        {
            throw new ReplicationException(ReplicationError.Unavailable, $"cannot {doing}: the connection to the cluster was closed meanwhile; retry", e);
        }
        catch (OperationCanceledException e) when (cancellationToken.IsCancellationRequested)
        {
            throw new ReplicationException(ReplicationError.TimedOut, $"cannot {doing} in time: the cluster does not answer", e);
        }
    }

    private const string WhatItNeeds = "for mon the user needs profile rbd and, to let addresses in again, allow command \"osd blocklist\" (ceph auth caps)";

    private static string Names(ICollection<CidrBlock> blocks) => blocks.Count switch
    {
        0 => "none",
        <= MaximumNamed => string.Join(", ", blocks),
        _ => $"{string.Join(", ", blocks.Take(MaximumNamed))} and {blocks.Count - MaximumNamed} more",
    };
}
