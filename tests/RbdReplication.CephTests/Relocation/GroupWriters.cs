using RbdReplication.CephTests.Groups;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Relocation;

/// <summary>
/// Who writes to a group: one in turn, perhaps more at the same time through the same client, and perhaps one through a client of its own, which fights for
/// the locks of every other member.
/// </summary>
internal sealed class GroupWriters
{
    // What a client writes that is frozen with the lock begins at the front.
    private const ulong FirstOffset = TestVolume.SizeBytes / 2;
    private const ulong Stride = 1 << 16;

    private readonly List<(GroupWriter Writer, MemberImages Members)> _writers = [];

    private GroupWriters()
    {
    }

    public IEnumerable<string> Addresses => _writers.Select(one => one.Writer.Address);

    public static async Task<GroupWriters> StartAsync(Site site, IReadOnlyList<TestVolume> members, Random random)
    {
        var writers = new GroupWriters();
        var beside = random.Next(3);
        var first = await writers.AddAsync(GroupWriter.StartAsync(site, members, FirstOffset), members);
        for (var i = 1; i <= beside; i++)
            await writers.AddAsync(first.StartBesideAsync(FirstOffset + ((ulong)i * Stride)), members);
        if (random.Next(2) == 0)
        {
            TestVolume[] some = [.. members.Where((_, i) => i % 2 == 1)];
            await writers.AddAsync(GroupWriter.StartAsync(site, some, FirstOffset + (8 * Stride)), some);
        }
        return writers;
    }

    private async Task<GroupWriter> AddAsync(Task<GroupWriter> starting, IReadOnlyList<TestVolume> members)
    {
        var writer = await starting;
        _writers.Add((writer, new MemberImages(members)));
        return writer;
    }

    /// <summary>Waits until all have written once more.</summary>
    public async Task GoOnAsync()
    {
        foreach (var (writer, _) in _writers)
            await writer.GoesOnAsync();
    }

    /// <summary>Waits until all write again, and stops them.</summary>
    public async Task StopAsync()
    {
        await GoOnAsync();
        foreach (var (writer, _) in _writers)
            await writer.StopAsync();
    }

    /// <summary>Stops them, whose site may have been lost.</summary>
    public async Task AbandonAsync()
    {
        foreach (var (writer, _) in Enumerable.Reverse(_writers))
            await writer.AbandonAsync();
    }

    /// <summary>What is wrong if a site is to have every acknowledged write; null: nothing.</summary>
    public async Task<string?> FindLossAsync(Site site) => (await ReadAsync(site, volume => volume))
        .Where(seen => seen.Numbers.Any(number => number != (ulong)seen.Writer.Rounds))
        .Select(seen => $"not all have {seen.Writer.Rounds}: {seen}").FirstOrDefault();

    /// <summary>What is wrong if a site is to be of one instant, no older than this one; null: nothing.</summary>
    public Task<string?> FindTearAsync(Site site, DateTimeOffset since) => FindTearAsync(site, since, volume => volume);

    /// <summary>The same of other volumes in place of those that are written to.</summary>
    public async Task<string?> FindTearAsync(Site site, DateTimeOffset since, Func<TestVolume, TestVolume> inPlaceOf)
    {
        var all = await ReadAsync(site, inPlaceOf);
        if (all.FirstOrDefault(seen => !MemberImages.AreOfOneInstant(seen.Numbers)) is { } torn)
            return $"they are not of one instant: {torn}";
        if (FindOlder(all, since) is { } old)
            return $"they are older than what was told: {old}";
        // Where one has a number, the others have all that was acknowledged before that was written.
        return FindOlder(all, all.Max(seen => seen.Writer.Before(seen.Numbers[0]))) is { } behind ? $"they are not of one instant, one writer's and another's: {behind}" : null;
    }

    private static string? FindOlder(IEnumerable<Seen> all, DateTimeOffset since) => all
        .Where(seen => seen.Numbers[^1] < (ulong)seen.Writer.RoundsAt(since))
        .Select(seen => $"{seen.Writer.RoundsAt(since)} was acknowledged by {since:HH:mm:ss.fff}: {seen}").FirstOrDefault();

    private Task<Seen[]> ReadAsync(Site site, Func<TestVolume, TestVolume> inPlaceOf) => Task.WhenAll(_writers.Select(async one =>
        new Seen(one.Writer, await new MemberImages([.. one.Members.Volumes.Select(inPlaceOf)]).NumbersAsync(site, one.Writer))));

    private sealed record Seen(GroupWriter Writer, ulong[] Numbers)
    {
        public override string ToString() => $"{string.Join(' ', Numbers)}, written at {Writer.Offset} until {Writer.Rounds}";
    }

    public override string ToString() => $"{_writers.Count} writers of {Addresses.Distinct().Count()} clients, {string.Join(' ', _writers.Select(one => one.Writer.Rounds))} rounds";
}
