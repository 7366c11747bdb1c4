using System.Globalization;
using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// The drills of a pool and rados namespace by their names, in object <c>rbd-replication.drills</c>, which is there as long as one of them is. Each
/// write leaves a mark of its own, and holds only if the mark is still there that was read before.
/// </summary>
internal static class DrillDirectory
{
    private const string ObjectName = "rbd-replication.drills";
    private const string Mark = "mark";
    private const string Prefix = "drill.";

    /// <summary>All drills, and when each was begun.</summary>
    public static async Task<IReadOnlyList<DrillEntry>> ListAsync(RadosPool pool, CancellationToken cancellationToken)
    {
        var keys = await pool.ListOmapAsync(ObjectName, Prefix, cancellationToken).ConfigureAwait(false);
        return keys is null ? [] : [.. keys.Select(key => new DrillEntry(
            key.Key[Prefix.Length..], DateTimeOffset.TryParse(key.Value, CultureInfo.InvariantCulture, out var createdAt) ? createdAt : null))];
    }

    /// <summary>Enters a drill, if it is not there.</summary>
    public static Task AddAsync(RadosPool pool, Drill drill, CancellationToken cancellationToken) => ChangeAsync(pool, drill.Name, (keys, mark) =>
    {
        KeyValuePair<string, string>[] entry = [new(Prefix + drill.Name, drill.CreatedAt.ToString("O", CultureInfo.InvariantCulture)), mark];
        return Task.FromResult(
            keys is null ? new ObjectWrite().Create(exclusive: true).SetOmap(entry)
            : keys.ContainsKey(Prefix + drill.Name) ? null
            : After(keys).SetOmap(entry));
    }, cancellationToken);

    /// <summary>Takes a drill out, and with the last one the object away.</summary>
    public static Task RemoveAsync(RadosPool pool, string name, CancellationToken cancellationToken) => ChangeAsync(pool, name, async (keys, mark) =>
    {
        if (keys is null || !keys.ContainsKey(Prefix + name))
            return null;
        // Read after the mark, which changes with whatever is entered or taken out after this.
        var first = await pool.ReadFirstOmapAsync(ObjectName, Prefix, 2, cancellationToken).ConfigureAwait(false);
        return first is { Count: > 1 } ? After(keys).RemoveOmap([Prefix + name]).SetOmap([mark]) : After(keys).Remove().EvenIfFull();
    }, cancellationToken);

    private static ObjectWrite After(IReadOnlyDictionary<string, string> keys) => new ObjectWrite().AssertOmap(Mark, keys.GetValueOrDefault(Mark, ""));

    // The plan gets what is there of the mark and of the drill, and the next mark.
    private static async Task ChangeAsync(
        RadosPool pool, string name, Func<IReadOnlyDictionary<string, string>?, KeyValuePair<string, string>, Task<ObjectWrite?>> plan, CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var keys = await pool.ReadOmapAsync(ObjectName, [Mark, Prefix + name], cancellationToken).ConfigureAwait(false);
            try
            {
                if (await plan(keys, new(Mark, Guid.NewGuid().ToString("N"))).ConfigureAwait(false) is { } write)
                    await pool.WriteAsync(ObjectName, write, CancellationToken.None).ConfigureAwait(false);
                return;
            }
            // Another drill was entered or taken out at the same moment.
            catch (CephException e) when (CsiJournal.IsOvertaken(e))
            {
            }
        }
    }
}

/// <summary>A drill of a pool and rados namespace.</summary>
/// <param name="Name">Its name.</param>
/// <param name="CreatedAt">When it was begun; null where another release has written that.</param>
public sealed record DrillEntry(string Name, DateTimeOffset? CreatedAt);
