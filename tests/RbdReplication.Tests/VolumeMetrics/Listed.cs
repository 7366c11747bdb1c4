using RbdReplication.Ceph;
using RbdReplication.Core;
using RbdReplication.Csi.VolumeMetrics;

namespace RbdReplication.Tests.VolumeMetrics;

/// <summary>Listings as pools give them.</summary>
internal static class Listed
{
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(60);

    public static PoolInUse Pool { get; } = InUse("replicapool");

    public static PoolInUse InUse(string pool) =>
        new("site-a", pool.Length, pool, "", new CephCredentials("csi", CephKey.TryParse(RunningServer.Key)!), DateTimeOffset.UtcNow);

    public static VolumeMetricsOptions Options(int maximum) => new()
    {
        Interval = Interval,
        MaximumVolumeSeries = maximum,
    };

    public static MirroredVolume Volume(string image, ReplicationHealth health = ReplicationHealth.Healthy, string? persistentVolume = null) => new(
        null, persistentVolume, Pool.PoolName, "",
        new ImageStatus(
            image, "id-" + image, ImageRole.Primary, health, "following", DateTimeOffset.FromUnixTimeSeconds(1_800_000_000), TimeSpan.FromSeconds(90), 81920, TimeSpan.FromSeconds(3),
            [new ReplicationSchedule("5m", null)], ""));

    public static PoolListing At(DateTimeOffset time, params MirroredVolume[] volumes) => In("replicapool", time, volumes);

    public static PoolListing In(string pool, DateTimeOffset time, params MirroredVolume[] volumes) => new(
        "site-a", pool, "", time, volumes, volumes.CountBy(volume => (volume.Status.Role, volume.Status.Health)).ToDictionary());
}
