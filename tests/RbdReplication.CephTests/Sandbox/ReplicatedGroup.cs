using RbdReplication.Ceph;

namespace RbdReplication.CephTests.Sandbox;

/// <summary>Volumes of site-a, and the groups of them at both sites.</summary>
public sealed class ReplicatedGroup
{
    private readonly TwoSites _sites;
    private readonly TestGroup _a;
    private readonly TestGroup _b;

    private ReplicatedGroup(TwoSites sites, bool inTenant, TestVolume[] volumes)
    {
        (_sites, Volumes) = (sites, volumes);
        (_a, _b) = (new(sites.A, inTenant), new(sites.B, inTenant));
    }

    public TestVolume[] Volumes { get; }

    /// <summary>The group as a site has it.</summary>
    public TestGroup At(Site site) => site == _sites.A ? _a : _b;

    public string HandleAt(Site site) => At(site).HandleOf(At(site).NewUuid);

    /// <summary>Makes volumes and, at site-a, the group of them.</summary>
    public static async Task<ReplicatedGroup> CreateAsync(TwoSites sites, int count, bool inTenant = false)
    {
        var volumes = await Task.WhenAll(Enumerable.Range(0, count).Select(_ => NewVolumeAsync(sites, inTenant)));
        var group = new ReplicatedGroup(sites, inTenant, volumes);
        await group._a.CreateAsync(volumes);
        return group;
    }

    /// <summary>A volume that can be in a group.</summary>
    public static Task<TestVolume> NewVolumeAsync(TwoSites sites, bool inTenant = false) =>
        TestVolume.CreateAsync(sites.A, inTenant, ImageFeatures.Layering | ImageFeatures.ExclusiveLock);

    /// <summary>Makes them, replicates the group, waits for the copies, and makes the group at site-b.</summary>
    public static async Task<ReplicatedGroup> ProtectAsync(TwoSites sites, int count, bool inTenant = false)
    {
        var group = await CreateAsync(sites, count, inTenant);
        await group.CallAsync(sites.A, Rpc.Enable);
        await group.CallAsync(sites.A, Rpc.Promote);
        await group.AwaitCopiesAsync();
        return group;
    }

    /// <summary>Waits for the copies at site-b and makes the group of them there.</summary>
    public async Task AwaitCopiesAsync()
    {
        foreach (var volume in Volumes)
            await volume.AwaitCopyAsync(_sites.B);
        await _b.CreateAsync(TestGroup.Ids(Volumes));
    }

    public Task CallAsync(Site site, string rpc, bool force = false, params (string Key, string Value)[] parameters) =>
        At(site).CallAsync(rpc, HandleAt(site), force, parameters);

    public Task RetryAsync(Site site, string rpc) => At(site).RetryAsync(rpc, HandleAt(site));

    /// <summary>Writes something of its own to each member.</summary>
    public async Task<byte[][]> WriteAsync(Site site, ulong offset)
    {
        var data = Volumes.Select(_ => Guid.NewGuid().ToByteArray()).ToArray();
        await Task.WhenAll(Volumes.Zip(data, (volume, bytes) => volume.WriteAsync(site, offset, bytes)));
        return data;
    }

    public async Task AssertReadsAsync(Site site, ulong offset, byte[][] data)
    {
        for (var i = 0; i < Volumes.Length; i++)
            Assert.Equal(data[i], await Volumes[i].ReadAsync(site, offset, data[i].Length));
    }

    /// <summary>A digest of all bytes of each member.</summary>
    public Task<string[]> DigestsAsync(Site site) => Task.WhenAll(Volumes.Select(volume => volume.DigestAsync(site)));

    /// <summary>Whether each member is primary at a site.</summary>
    public async Task<bool[]> ArePrimaryAsync(Site site) => await Task.WhenAll(Volumes.Select(async volume => (await volume.InfoAsync(site)).IsPrimary));

    public async Task AssertRoleAsync(Site site, bool arePrimary) => Assert.All(await ArePrimaryAsync(site), isPrimary => Assert.Equal(arePrimary, isPrimary));

    public async Task<MirrorImageState[]> MirroringAsync(Site site) => await Task.WhenAll(Volumes.Select(async volume => (await volume.InfoAsync(site)).State));
}
