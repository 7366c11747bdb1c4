using System.Text.Json;
using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;

namespace RbdReplication.CephTests;

/// <summary>
/// Volumes that the CSI driver made, enabled, scheduled or demoted are continued by us, and the reverse. The driver's side is
/// written here key by key and command by command as the driver does it, not through our own code.
/// </summary>
public sealed class InteroperabilityTests(TwoSites sites)
{
    private RadosPool Pool => sites.A.Pool;

    // What the driver leaves after creating an encrypted volume whose directory is in another pool.
    private async Task<(TestVolume Volume, Dictionary<string, string> Entry, string RequestName)> ProvisionAsDriverAsync(RadosPool directoryPool)
    {
        var uuid = Guid.NewGuid().ToString();
        var requestName = "pvc-" + Guid.NewGuid();
        var image = "csi-vol-" + uuid;
        await sites.A.RbdAsync("create", "--size", "16M", "--image-feature", "layering", $"{TwoSites.Pool}/{image}");
        using var info = JsonDocument.Parse(await sites.A.RbdAsync("info", "--format", "json", $"{TwoSites.Pool}/{image}"));
        var entry = new Dictionary<string, string>
        {
            ["csi.volname"] = requestName,
            ["csi.imagename"] = image,
            ["csi.imageid"] = info.RootElement.GetProperty("id").GetString()!,
            ["csi.volume.owner"] = "apps",
            ["csi.volume.encryptKMS"] = "vault-tenant",
            ["csi.volume.encryptionType"] = "block",
        };
        var isOtherPool = directoryPool.Id != Pool.Id;
        if (isOtherPool)
            entry["csi.journalpool"] = directoryPool.Id.ToString("x16");
        await Pool.WriteAsync("csi.volume." + uuid, new ObjectWrite().Create(exclusive: true), CancellationToken.None);
        await directoryPool.WriteAsync(
            "csi.volumes.default", new ObjectWrite().SetOmap("csi.volume." + requestName, isOtherPool ? $"{Pool.Id:x16}/{uuid}" : uuid), CancellationToken.None);
        await Pool.WriteAsync("csi.volume." + uuid, new ObjectWrite().SetOmap(entry), CancellationToken.None);
        return (TestVolume.At(sites.A, uuid), entry, requestName);
    }

    [Theory]
    [InlineData("replicapool")]
    [InlineData("otherpool")]
    public async Task The_journal_of_the_driver_stays_as_it_is_byte_for_byte_through_the_life_of_a_volume(string directoryPoolName)
    {
        await using var directoryPool = await sites.A.Cluster.OpenPoolAsync(directoryPoolName, "", CancellationToken.None);
        var (volume, entry, requestName) = await ProvisionAsDriverAsync(directoryPool);
        await volume.EnableAsync(sites.A);
        await volume.PromoteAsync(sites.A, interval: "1h");
        await volume.AwaitCopyAsync(sites.B);
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
        await TestVolume.RetryAsync(() => volume.PromoteAsync(sites.A, force: true), "site-a is promoted again");
        await volume.DisableAsync(sites.A);
        var after = await Pool.ListOmapAsync("csi.volume." + volume.Handle.Uuid, "", CancellationToken.None);
        Assert.Equal(entry.OrderBy(pair => pair.Key, StringComparer.Ordinal), after!.OrderBy(pair => pair.Key, StringComparer.Ordinal));
        var directory = await directoryPool.ReadOmapAsync("csi.volumes.default", ["csi.volume." + requestName], CancellationToken.None);
        Assert.Equal(
            directoryPool.Id == Pool.Id ? volume.Handle.Uuid : $"{Pool.Id:x16}/{volume.Handle.Uuid}", Assert.Single(directory!).Value);
    }

    [Fact]
    public async Task A_volume_with_another_image_name_than_its_uuid_suggests_is_found_by_its_journal_entry()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        var name = "tenant-a-" + volume.Handle.Uuid;
        await sites.A.RbdAsync("rename", $"{TwoSites.Pool}/{volume.ImageName}", $"{TwoSites.Pool}/{name}");
        await Pool.WriteAsync("csi.volume." + volume.Handle.Uuid, new ObjectWrite().SetOmap("csi.imagename", name), CancellationToken.None);
        await volume.EnableAsync(sites.A);
        await using var image = await RbdImage.OpenAsync(Pool, name, readOnly: true, CancellationToken.None);
        Assert.Equal(MirrorImageState.Enabled, (await image.Mirroring.GetInfoAsync(CancellationToken.None)).State);
    }

    [Theory]
    [InlineData(".rbd.csi.ceph.com/clientAddress/node-1")]
    [InlineData(".rbd.csi.ceph.com/userID/node-1")]
    public async Task A_volume_that_the_driver_has_published_to_a_node_is_not_demoted_until_it_is_unpublished(string key)
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        var spec = $"{TwoSites.Pool}/{volume.ImageName}";
        await sites.A.RbdAsync("image-meta", "set", spec, key, "192.0.2.7");
        var refusal = await TestVolume.FailureOfAsync(() => volume.DemoteAsync(sites.A));
        Assert.Equal(StatusCode.FailedPrecondition, refusal.StatusCode);
        Assert.Contains(key, refusal.Detail, StringComparison.Ordinal);
        Assert.True((await volume.InfoAsync(sites.A)).IsPrimary);
        await sites.A.RbdAsync("image-meta", "remove", spec, key);
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
    }

    [Fact]
    public async Task What_the_driver_enabled_scheduled_and_marked_is_continued_by_us()
    {
        var (volume, _, _) = await ProvisionAsDriverAsync(Pool);
        var spec = $"{TwoSites.Pool}/{volume.ImageName}";
        await sites.A.RbdAsync("mirror", "image", "enable", spec, "snapshot");
        await sites.A.Cluster.MgrCommandAsync(
            $$"""{"prefix":"rbd mirror snapshot schedule add","level_spec":"{{spec}}","interval":"12m","start_time":"16:18:43","format":"json"}""", CancellationToken.None);
        await using (var image = await volume.OpenAsync(sites.A, readOnly: false))
            await image.SetMetadataAsync(".rbd.image.creation_time", "seconds:1692879841 nanos:631526669", CancellationToken.None);
        await volume.AwaitCopyAsync(sites.B);

        await volume.EnableAsync(sites.A);
        var scheduled = await VolumeState.ReadAsync(sites.A, volume);
        await sites.A.Replication.PromoteVolumeAsync(new()
        {
            ReplicationSource = volume.Source,
            Secrets = { sites.A.Secrets },
            Parameters = { ["schedulingInterval"] = "12m", ["schedulingStartTime"] = "16:18:43" },
        });
        Assert.Equal(scheduled, await VolumeState.ReadAsync(sites.A, volume));

        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
        await using (var image = await volume.OpenAsync(sites.A))
            Assert.Equal("seconds:1692879841 nanos:631526669", await image.GetMetadataAsync(".rbd.image.creation_time", CancellationToken.None));
        await TestVolume.RetryAsync(() => volume.PromoteAsync(sites.B), "site-b is promoted");
    }

    [Fact]
    public async Task What_the_driver_demoted_is_promoted_by_us_at_the_other_site_with_its_last_write()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await volume.WriteAsync(sites.A, 0, [1, 2, 3]);
        await sites.A.RbdAsync("mirror", "image", "demote", $"{TwoSites.Pool}/{volume.ImageName}");
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
        await TestVolume.RetryAsync(() => volume.PromoteAsync(sites.B), "site-b is promoted");
        Assert.Equal([1, 2, 3], await volume.ReadAsync(sites.B, 0, 3));
    }

    [Fact]
    public async Task What_we_demoted_carries_the_drivers_mark_and_can_be_promoted_by_the_driver()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.ProtectAsync(sites.A, sites.B);
        await TestVolume.RetryAsync(() => volume.DemoteAsync(sites.A), "site-a is demoted");
        await using (var image = await volume.OpenAsync(sites.A))
        {
            var created = image.GetCreateTimestamp();
            Assert.Equal(
                $"seconds:{created.Seconds} nanos:{created.Nanoseconds}",
                await image.GetMetadataAsync(".rbd.image.creation_time", CancellationToken.None));
        }
        await TestVolume.RetryAsync(
            () => sites.B.RbdAsync("mirror", "image", "promote", $"{TwoSites.Pool}/{volume.ImageName}"), "the rbd tool promotes site-b");
        Assert.True((await volume.InfoAsync(sites.B)).IsPrimary);
        await using var copy = await volume.OpenAsync(sites.B);
        Assert.Null(await copy.GetMetadataAsync(".rbd.image.creation_time", CancellationToken.None));
    }

    [Fact]
    public async Task What_we_scheduled_is_one_schedule_to_the_manager_and_the_drivers_add_of_the_same_changes_nothing()
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        await volume.EnableAsync(sites.A);
        await volume.PromoteAsync(sites.A, interval: "12m");
        var before = await VolumeState.ReadAsync(sites.A, volume);
        await sites.A.Cluster.MgrCommandAsync(
            $$"""{"prefix":"rbd mirror snapshot schedule add","level_spec":"{{TwoSites.Pool}}/{{volume.ImageName}}","interval":"12m","format":"json"}""", CancellationToken.None);
        Assert.Equal(before, await VolumeState.ReadAsync(sites.A, volume));
        Assert.Contains("schedule: 12m from midnight", before, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_imported_image_has_the_journal_entries_that_the_driver_writes()
    {
        var uuid = Guid.NewGuid().ToString();
        var image = "csi-vol-" + uuid;
        await RbdImage.CreateAsync(Pool, image, TestVolume.SizeBytes, ImageFeatures.Layering, CancellationToken.None);
        var secret = Path.Combine(TwoSites.Folder, "import.secret");
        await File.WriteAllTextAsync(secret, JsonSerializer.Serialize(sites.A.Secrets));
        var manifest = await ProcessOutput.OfAsync(
            ServerProcess.Binary, "volume", "import", "--cluster-config", sites.A.ConfigPath, "--cluster-id", sites.A.Name, "--pool", TwoSites.Pool,
            "--image", image, "--pv-name", "pv-" + uuid, "--pvc-namespace", "apps", "--pvc-name", "data", "--secret-file", secret);
        File.Delete(secret);
        Assert.Contains($"0001-0006-site-a-{Pool.Id:x16}-{uuid}", manifest, StringComparison.Ordinal);
        await using var opened = await RbdImage.OpenAsync(Pool, image, readOnly: true, CancellationToken.None);
        Assert.Equal(
            new Dictionary<string, string>
            {
                ["csi.imageid"] = opened.GetId(),
                ["csi.imagename"] = image,
                ["csi.volname"] = "pv-" + uuid,
                ["csi.volume.owner"] = "apps",
            },
            await Pool.ListOmapAsync("csi.volume." + uuid, "", CancellationToken.None));
        Assert.Equal(uuid, (await Pool.ReadOmapAsync("csi.volumes.default", ["csi.volume.pv-" + uuid], CancellationToken.None))!["csi.volume.pv-" + uuid]);
    }
}
