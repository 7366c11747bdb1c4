using System.Buffers.Binary;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Groups;

/// <summary>Images that are mirrored and belong together.</summary>
internal sealed class MemberImages(IReadOnlyList<TestVolume> volumes)
{
    /// <summary>What no test reaches where nothing is in the way.</summary>
    public static readonly TimeSpan AmpleHold = TimeSpan.FromSeconds(30);

    private const ImageFeatures Features = ImageFeatures.Layering | ImageFeatures.ExclusiveLock;

    private static CancellationToken None => CancellationToken.None;

    public IReadOnlyList<TestVolume> Volumes => volumes;

    /// <summary>Makes some at a site that are not mirrored.</summary>
    public static async Task<MemberImages> CreateUnmirroredAsync(Site site, int count, ImageFeatures features = Features) =>
        new(await Task.WhenAll(Enumerable.Range(0, count).Select(_ => TestVolume.CreateAsync(site, features: features))));

    /// <summary>Makes some at a site that are mirrored by snapshots; with a peer it has a copy of each.</summary>
    public static async Task<MemberImages> CreateAsync(Site site, int count, Site? peer = null)
    {
        var members = await CreateUnmirroredAsync(site, count);
        await Task.WhenAll(members.Volumes.Select(async volume =>
        {
            await using (var image = await volume.OpenAsync(site, readOnly: false))
                await image.Mirroring.EnableAsync(MirrorImageMode.Snapshot, None);
            if (peer is not null)
                await volume.AwaitCopyAsync(peer);
        }));
        return members;
    }

    public Task<string[]> IdsAsync(Site site) => OfEachAsync(site, image => Task.FromResult(image.GetId()));

    public async Task<GenerationOutcome> TakeAsync(Site site, string name, TimeSpan? maximumHold = null) =>
        await GenerationTaking.TakeAsync(site.Pool, await IdsAsync(site), name, maximumHold ?? AmpleHold, None);

    /// <summary>Names of all members' user snapshots.</summary>
    public Task<string[][]> NamesAsync(Site site) =>
        OfEachAsync(site, async image => (await image.Snapshots.ListAsync(None)).Select(snapshot => snapshot.Name).ToArray());

    /// <summary>The number that each member has, in the order in which it is written, now or at a user snapshot.</summary>
    public Task<ulong[]> NumbersAsync(Site site, GroupWriter writer, string? snapshot = null) => OfEachAsync(site, async image =>
    {
        if (snapshot is not null)
            await image.SetSnapshotAsync((await image.Snapshots.ListAsync(None)).Single(one => one.Name == snapshot).Id, None);
        return await NumberAsync(image, writer.Offset);
    });

    /// <summary>The same at the newest mirror snapshot.</summary>
    public Task<ulong[]> MirroredNumbersAsync(Site site, GroupWriter writer) => OfEachAsync(site, async image =>
    {
        await image.SetSnapshotAsync((await image.Mirroring.ListSnapshotsAsync(None))[^1].Id, None);
        return await NumberAsync(image, writer.Offset);
    });

    private static async Task<ulong> NumberAsync(RbdImage image, ulong offset)
    {
        var bytes = new byte[sizeof(ulong)];
        await image.ReadAsync(offset, bytes, None);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    /// <summary>Does something with each member, opened read-only.</summary>
    public Task<T[]> OfEachAsync<T>(Site site, Func<RbdImage, Task<T>> ask) => Task.WhenAll(volumes.Select(async volume =>
    {
        await using var image = await volume.OpenAsync(site);
        return await ask(image);
    }));

    /// <summary>Whether numbers that were written to one member after the other are those of one instant.</summary>
    public static bool AreOfOneInstant(IReadOnlyList<ulong> numbers) =>
        numbers.Zip(numbers.Skip(1)).All(pair => pair.First >= pair.Second) && numbers[0] - numbers[^1] <= 1;

    public static void AssertOneInstant(IReadOnlyList<ulong> numbers) => Assert.True(AreOfOneInstant(numbers), string.Join(' ', numbers));
}
