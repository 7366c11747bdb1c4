using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Relocation;

/// <summary>What both sites held of a volume as it moved, so that one that ends badly can be explained.</summary>
public sealed class VolumeHistory(TwoSites sites, TestVolume volume, Action<string> log)
{
    private readonly List<string> _lines = [];

    /// <summary>Adds the mirror snapshots of both sites.</summary>
    public async Task AddAsync(string step)
    {
        foreach (var site in sites.Both)
            _lines.Add($"{DateTime.UtcNow:HH:mm:ss.fff} {step}: {site} has {await ReadAsync(site, DescribeChainAsync)}");
    }

    /// <summary>Logs all of it, and what both sites have and report now.</summary>
    public async Task PrintAsync()
    {
        await AddAsync("at the end");
        foreach (var site in sites.Both)
            _lines.Add($"{DateTime.UtcNow:HH:mm:ss.fff} {site} reports {await ReadAsync(site, DescribeReportsAsync)}");
        foreach (var line in _lines)
            log($"{volume.Handle.Uuid[..8]} {line}");
    }

    private async Task<string> ReadAsync(Site site, Func<RbdImage, Task<string>> describe)
    {
        try
        {
            await using var image = await volume.OpenAsync(site);
            return await describe(image);
        }
        catch (CephException e)
        {
            return e.Message;
        }
    }

    private static async Task<string> DescribeChainAsync(RbdImage image) =>
        string.Join(", ", (await image.Mirroring.ListSnapshotsAsync(CancellationToken.None)).Select(Describe));

    private static async Task<string> DescribeReportsAsync(RbdImage image)
    {
        var status = await image.Mirroring.GetGlobalStatusAsync(CancellationToken.None);
        return string.Join("; ", status.Sites.Select(report =>
            $"{(report.IsLocal ? "itself" : "its peer")} {(report.IsUp ? "up" : "down")} {report.State} \"{report.Description}\" at {report.LastUpdate:HH:mm:ss}"));
    }

    private static string Describe(MirrorSnapshot snapshot)
    {
        var origin = snapshot.PrimarySnapshotId == MirrorSnapshot.NoSnapshot ? "" : $" of {snapshot.PrimarySnapshotId}";
        return $"{snapshot.Id} {snapshot.State}{origin}{(snapshot.IsComplete ? "" : " incomplete")}{(snapshot.MirrorPeerUuids.Count > 0 ? " needed" : "")}";
    }
}
