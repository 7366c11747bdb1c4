using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests.PersistentVolumes;

/// <summary>A mapping of its own for a test, with or without its image, and raw access to what the journal holds of it.</summary>
public sealed class MappedImage(RadosPool pool, string instanceId)
{
    public Reservation Reservation { get; set; } = Make();

    public string ObjectName => JournalKeys.VolumeObject(Reservation.Uuid);

    public string Directory => JournalKeys.DirectoryObject(instanceId);

    public string DirectoryKey => JournalKeys.DirectoryKey(Reservation.RequestName);

    public string ImageId { get; private set; } = "";

    public CsiJournal Journal => new(pool, pool, instanceId);

    public static async Task<MappedImage> CreateAsync(RadosPool pool, string? instanceId = null)
    {
        var image = new MappedImage(pool, instanceId ?? Guid.NewGuid().ToString("N"));
        await image.CreateImageAsync();
        return image;
    }

    public async Task CreateImageAsync()
    {
        await RbdImage.CreateAsync(pool, Reservation.ImageName, TestVolume.SizeBytes, ImageFeatures.Layering, CancellationToken.None);
        await using var image = await RbdImage.OpenAsync(pool, Reservation.ImageName, readOnly: true, CancellationToken.None);
        ImageId = image.GetId();
    }

    /// <summary>Creates the volume's object with these entries.</summary>
    public Task PutObjectAsync(params (string Key, string Value)[] entries)
    {
        var write = new ObjectWrite().Create(exclusive: true);
        return pool.WriteAsync(
            ObjectName, entries.Length == 0 ? write : write.SetOmap([.. entries.Select(e => KeyValuePair.Create(e.Key, e.Value))]), CancellationToken.None);
    }

    public Task PutObjectEntryAsync(string key, string value) =>
        pool.WriteAsync(ObjectName, new ObjectWrite().SetOmap(key, value), CancellationToken.None);

    public Task PutDirectoryEntryAsync(string? value = null) =>
        pool.WriteAsync(Directory, new ObjectWrite().SetOmap(DirectoryKey, value ?? Reservation.Uuid), CancellationToken.None);

    public async Task<ReservationPlan> PlanAsync() => (await Journal.PlanAsync([Reservation], CancellationToken.None))[0];

    /// <summary>Plans and carries the plan out; returns the plan.</summary>
    public async Task<ReservationPlan> KeepAsync()
    {
        var plan = await PlanAsync();
        if (plan is ReservationPlan.Write write)
            Assert.Null((await Journal.ApplyAsync([(Reservation, write)], () => { }))[0]);
        return plan;
    }

    public Task<IReadOnlyDictionary<string, string>?> ReadObjectAsync() => pool.ListOmapAsync(ObjectName, "", CancellationToken.None);

    public async Task<string?> ReadDirectoryEntryAsync() =>
        (await pool.ReadOmapAsync(Directory, [DirectoryKey], CancellationToken.None))?.GetValueOrDefault(DirectoryKey);

    /// <summary>Everything is as ceph-csi would have it.</summary>
    public async Task AssertCompleteAsync()
    {
        Assert.Equal(Reservation.Uuid, await ReadDirectoryEntryAsync());
        var expected = new Dictionary<string, string>
        {
            ["csi.volname"] = Reservation.RequestName,
            ["csi.imagename"] = "csi-vol-" + Reservation.Uuid,
            ["csi.imageid"] = ImageId,
            ["csi.volume.owner"] = "apps",
        };
        Assert.Equal(expected, (await ReadObjectAsync())!.ToDictionary());
        Assert.IsType<ReservationPlan.UpToDate>(await PlanAsync());
    }

    private static Reservation Make() => new("pvc-" + Guid.NewGuid(), Guid.NewGuid().ToString()) { Owner = "apps" };
}
