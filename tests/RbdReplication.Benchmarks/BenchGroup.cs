using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using RbdReplication.Csi.Protocol.Groups;

namespace RbdReplication.Benchmarks;

/// <summary>A volume group that is replicated from one site to another, and the calls that a controller makes for it.</summary>
internal sealed class BenchGroup
{
    private const ulong SizeBytes = 64 * 1024 * 1024;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly string _name = $"vgrcontent-{Guid.NewGuid()}";
    private readonly BenchSite _primary;
    private string[]? _imageIds;

    private BenchGroup(BenchSite primary, IReadOnlyList<BenchVolume> volumes) => (_primary, Volumes) = (primary, volumes);

    public IReadOnlyList<BenchVolume> Volumes { get; }

    /// <summary>Number of the newest generation.</summary>
    public long Generation { get; private set; }

    /// <summary>Attempts that were given up, since writers would have been held for longer than allowed.</summary>
    public int GivenUp { get; private set; }

    // Of the site that takes generations.
    private string Uuid => UuidAt(_primary);

    private GenerationName NewestGeneration => new(Uuid, Generation);

    /// <summary>Makes volumes and the group of them, has it replicated, and waits for the copies.</summary>
    public static async Task<BenchGroup> ProtectAsync(ServerProcess server, BenchSite site, BenchSite peer, int count)
    {
        var group = new BenchGroup(site, await CreateVolumesAsync(site, count));
        await group.CreateAsync(server, site);
        await server.Replication.EnableVolumeReplicationAsync(new() { ReplicationSource = group.SourceAt(site), Secrets = { site.Secrets } });
        await server.Replication.PromoteVolumeAsync(new() { ReplicationSource = group.SourceAt(site), Secrets = { site.Secrets } });
        await BenchVolume.AwaitCopiesAsync(group.Volumes, peer);
        return group;
    }

    /// <summary>Volumes that can be in a group.</summary>
    public static Task<IReadOnlyList<BenchVolume>> CreateVolumesAsync(BenchSite site, int count) =>
        BenchVolume.CreateAsync(site, count, SizeBytes, ImageFeatures.Layering | ImageFeatures.ExclusiveLock);

    /// <summary>Makes it at a site that has images of all volumes.</summary>
    public async Task CreateAsync(ServerProcess server, BenchSite site) =>
        await new Controller.ControllerClient(server.Channel).CreateVolumeGroupAsync(new()
        {
            Name = _name,
            VolumeIds = { Volumes.Select(volume => volume.At(site).Handle.ToString()) },
            Parameters = { ["clusterID"] = BenchSite.ClusterId, ["pool"] = site.Pool.Name },
            Secrets = { site.Secrets },
        });

    public async Task PromoteByForceAsync(ServerProcess server, BenchSite site) =>
        await server.Replication.PromoteVolumeAsync(new() { ReplicationSource = SourceAt(site), Secrets = { site.Secrets }, Force = true });

    /// <summary>Takes a generation as <c>serve</c> does when one is due, of a group that nothing else is done to; again under the next number where one is given up.</summary>
    public async Task<GenerationOutcome> TakeGenerationAsync()
    {
        _imageIds ??= await ImageIdsAsync(_primary);
        while (true)
        {
            Generation++;
            var outcome = await GenerationTaking.TakeAsync(_primary.Pool, _imageIds, NewestGeneration.ToString(), GroupState.DefaultHold, CancellationToken.None);
            if (outcome.Result == GenerationResult.Taken)
                return outcome;
            // EBUSY: the one that was given up still waits for a lock.
            if (outcome.Result != GenerationResult.HeldTooLong && outcome.Failure?.Errno != Errno.EBUSY)
                throw new InvalidOperationException($"generation {Generation} was not taken: {outcome}");
            GivenUp += outcome.Result == GenerationResult.HeldTooLong ? 1 : 0;
            await Task.Delay(Pause);
        }
    }

    /// <summary>Waits until a site has the newest generation of all members.</summary>
    public async Task AwaitGenerationAsync(BenchSite site)
    {
        while (GenerationRules.NewestWhole(Uuid, await OfEachAsync(site, image => MemberSnapshots.ReadAsync(image, CancellationToken.None))) != Generation)
            await Task.Delay(Pause);
    }

    /// <summary>Returns all members, which are primary at a site, to the newest generation.</summary>
    public async Task ReturnAsync(BenchSite site) =>
        await GenerationFailover.RunAsync(site.Pool, await ImageIdsAsync(site), NewestGeneration, CancellationToken.None);

    /// <summary>Writes to the beginning of each volume.</summary>
    public static async Task WriteAsync(BenchSite site, IEnumerable<BenchVolume> volumes, int bytes)
    {
        var data = new byte[bytes];
        foreach (var volume in volumes)
        {
            await using var image = await RbdImage.OpenAsync(site.Pool, volume.ImageName, readOnly: false, CancellationToken.None);
            await image.WriteAsync(0, data, CancellationToken.None);
        }
    }

    /// <summary>Does something with each member, all at once.</summary>
    public Task<T[]> OfEachAsync<T>(BenchSite site, Func<RbdImage, Task<T>> step) => Task.WhenAll(Volumes.Select(async volume =>
    {
        await using var image = await RbdImage.OpenAsync(site.Pool, volume.ImageName, readOnly: true, CancellationToken.None);
        return await step(image);
    }));

    private Task<string[]> ImageIdsAsync(BenchSite site) => OfEachAsync(site, image => Task.FromResult(image.GetId()));

    private string UuidAt(BenchSite site) => GroupUuid.For(site.Pool, _name);

    private Csi.Protocol.ReplicationSource SourceAt(BenchSite site) =>
        new() { Volumegroup = new() { VolumeGroupId = new VolumeHandle(BenchSite.ClusterId, site.Pool.Id, UuidAt(site)).ToString() } };
}
