using Grpc.Core;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

/// <summary>Volumes that cannot be in a group, and requests that cannot be meant: each with what to do, and nothing is changed.</summary>
public sealed class VolumeGroupRefusalTests(TwoSites sites)
{
    private const ImageFeatures Fit = ImageFeatures.Layering | ImageFeatures.ExclusiveLock;

    private Task<TestVolume> VolumeAsync() => TestVolume.CreateAsync(sites.A, features: Fit);

    /// <summary>That a volume is refused beside one that is fit, where a group is made and where one is changed.</summary>
    private async Task RefusedAsync(TestVolume volume, StatusCode ifMade, StatusCode ifChanged, params string[] texts)
    {
        var fit = await VolumeAsync();
        var group = new TestGroup(sites.A);
        var detail = await TestGroup.RefusedAsync(ifMade, () => group.CreateAsync(fit, volume));
        Assert.All(texts.Append(volume.Handle.Uuid), text => Assert.Contains(text, detail, StringComparison.Ordinal));
        await group.AssertGoneAsync(group.NewUuid);
        await using (var image = await fit.OpenAsync(sites.A))
            Assert.Null(await image.GetGroupAsync(CancellationToken.None));

        var handle = (await group.CreateAsync(fit)).VolumeGroupId;
        var second = await VolumeAsync();
        detail = await TestGroup.RefusedAsync(ifChanged, () => group.ModifyAsync(handle, second, volume));
        Assert.All(texts, text => Assert.Contains(text, detail, StringComparison.Ordinal));
        await group.AssertMembersAsync(group.NewUuid, fit);
    }

    private Task UnfitAsync(TestVolume volume, params string[] texts) => RefusedAsync(volume, StatusCode.FailedPrecondition, StatusCode.InvalidArgument, texts);

    [Fact]
    public async Task A_volume_without_exclusive_lock() =>
        await UnfitAsync(await TestVolume.CreateAsync(sites.A), "no exclusive-lock", "imageFeatures of the StorageClass");

    [Fact]
    public async Task A_volume_of_another_rados_namespace() =>
        await UnfitAsync(await TestVolume.CreateAsync(sites.A, inTenant: true, features: Fit), "it is in replicapool/tenant1 of cluster tenant, and the group in replicapool of cluster site-a");

    [Fact]
    public async Task A_volume_of_another_pool()
    {
        await using var pool = await OwnPool.CreateAsync(sites.A);
        await UnfitAsync(await TestVolume.CreateAsync(sites.A, pool.Pool, Fit), $"it is in {pool.Pool.Name} of cluster site-a");
    }

    [Fact]
    public async Task A_volume_of_another_group()
    {
        var volume = await VolumeAsync();
        var other = new TestGroup(sites.A);
        await other.CreateAsync(volume);
        await UnfitAsync(volume, $"it is in RBD group csi-vol-group-{other.NewUuid}", "one group at most");
        await other.AssertMembersAsync(other.NewUuid, volume);
    }

    [Fact]
    public async Task A_volume_that_is_replicated_by_itself()
    {
        var volume = await VolumeAsync();
        await volume.EnableAsync(sites.A);
        await UnfitAsync(volume, "it is replicated by itself already", "delete its own VolumeReplication");
    }

    [Fact]
    public async Task A_volume_in_journal_mode()
    {
        var volume = await VolumeAsync();
        await volume.EnableAsync(sites.A, "journal");
        await UnfitAsync(volume, "it is mirrored in journal mode");
    }

    [Fact]
    public async Task A_clone_whose_parent_is_not_replicated_unless_it_is_to_be_made_independent()
    {
        var parent = await VolumeAsync();
        var uuid = Guid.NewGuid().ToString();
        await sites.A.RbdAsync("snap", "create", "--no-progress", $"{TwoSites.Pool}/{parent.ImageName}@base");
        await sites.A.RbdAsync("clone", "--rbd-default-clone-format", "2", $"{TwoSites.Pool}/{parent.ImageName}@base", $"{TwoSites.Pool}/csi-vol-{uuid}");
        var clone = await TestVolume.AdoptAsync(sites.A, uuid);
        await RefusedAsync(clone, StatusCode.Unavailable, StatusCode.Unavailable, "cannot group image", $"clone of {TwoSites.Pool}/{parent.ImageName}, which is not mirrored", "flattenMode");

        var group = new TestGroup(sites.A);
        await group.CreateAsync(TestGroup.Ids([clone]), ("flattenMode", "force"));
        await group.AssertMembersAsync(group.NewUuid, clone);
        await using var image = await clone.OpenAsync(sites.A);
        Assert.Null(await image.GetParentAsync(CancellationToken.None));
    }

    [Fact]
    public Task A_volume_that_is_gone() =>
        RefusedAsync(TestVolume.At(sites.A, Guid.NewGuid().ToString()), StatusCode.InvalidArgument, StatusCode.NotFound, "it does not exist");

    [Fact]
    public async Task A_volume_of_another_cluster()
    {
        var fit = await VolumeAsync();
        var other = fit.Handle.WithLocation("unheard-of", 1).ToString();
        var group = new TestGroup(sites.A);
        var detail = await TestGroup.RefusedAsync(StatusCode.Unavailable, () => group.CreateAsync([other]));
        Assert.Contains("cluster unheard-of of volume", detail, StringComparison.Ordinal);
        await group.AssertGoneAsync(group.NewUuid);
    }

    [Fact]
    public async Task A_list_that_cannot_be_meant()
    {
        var volume = await VolumeAsync();
        var (id, group) = (volume.Handle.ToString(), new TestGroup(sites.A));
        string[] many = [.. Enumerable.Range(0, 101).Select(_ => TestVolume.At(sites.A, Guid.NewGuid().ToString()).Handle.ToString())];
        Assert.Contains("volume_ids is empty", await TestGroup.RefusedAsync(StatusCode.InvalidArgument, () => group.CreateAsync(Array.Empty<string>())), StringComparison.Ordinal);
        Assert.Contains("more than once", await TestGroup.RefusedAsync(StatusCode.InvalidArgument, () => group.CreateAsync([id, id])), StringComparison.Ordinal);
        Assert.Contains("not a volume handle", await TestGroup.RefusedAsync(StatusCode.InvalidArgument, () => group.CreateAsync([id, "x"])), StringComparison.Ordinal);
        Assert.Contains("100 at most", await TestGroup.RefusedAsync(StatusCode.InvalidArgument, () => group.CreateAsync(many)), StringComparison.Ordinal);
        await group.AssertGoneAsync(group.NewUuid);

        var handle = (await group.CreateAsync(volume)).VolumeGroupId;
        Assert.Contains("100 at most", await TestGroup.RefusedAsync(StatusCode.ResourceExhausted, () => group.ModifyAsync(handle, many)), StringComparison.Ordinal);
        Assert.Contains("more than once", await TestGroup.RefusedAsync(StatusCode.InvalidArgument, () => group.ModifyAsync(handle, [id, id])), StringComparison.Ordinal);
        await group.AssertMembersAsync(group.NewUuid, volume);
    }

    [Fact]
    public async Task A_name_whose_group_is_another_one_and_a_class_that_leads_nowhere()
    {
        var volume = await VolumeAsync();
        var (ids, group) = (TestGroup.Ids([volume]), new TestGroup(sites.A));
        await TestGroup.RefusedAsync(StatusCode.InvalidArgument, () => group.CreateAsync(ids, ("pool", "nowhere")));
        await TestGroup.RefusedAsync(StatusCode.InvalidArgument, () => group.CreateAsync(ids, ("pool", "")));
        await TestGroup.RefusedAsync(StatusCode.InvalidArgument, () => group.CreateAsync(ids, ("journalPool", "otherpool")));
        await TestGroup.RefusedAsync(StatusCode.Unavailable, () => group.CreateAsync(ids, ("clusterID", "unheard-of")));
        await group.CreateAsync(volume);
        Assert.Contains("the class makes it mine-", await TestGroup.RefusedAsync(StatusCode.AlreadyExists, () => group.CreateAsync(ids, ("volumeNamePrefix", "mine-"))), StringComparison.Ordinal);
        await group.AssertMembersAsync(group.NewUuid, volume);
        await group.WriteObjectAsync(group.NewUuid, new ObjectWrite().SetOmap("csi.volname", "other"));
        Assert.Contains("belongs to the group of name other", await TestGroup.RefusedAsync(StatusCode.AlreadyExists, () => group.CreateAsync(volume)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_user_who_may_not_write()
    {
        var user = $"group-{Guid.NewGuid():N}"[..16];
        var key = (await sites.A.CephAsync("auth", "get-or-create-key", "client." + user, "mon", "profile rbd", "osd", "profile rbd-read-only")).Trim();
        var volume = await VolumeAsync();
        var group = new TestGroup(sites.A);
        var detail = await TestGroup.RefusedAsync(StatusCode.Unauthenticated, async () => await group.Client.CreateVolumeGroupAsync(new()
        {
            Name = group.Name,
            VolumeIds = { TestGroup.Ids([volume]) },
            Parameters = { group.Parameters },
            Secrets = { ["userID"] = user, ["userKey"] = key },
        }));
        Assert.DoesNotContain(key, detail, StringComparison.Ordinal);
        await group.AssertGoneAsync(group.NewUuid);
    }
}
