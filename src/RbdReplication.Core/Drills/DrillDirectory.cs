using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// The names of the drills of a pool and rados namespace, in object <c>rbd-replication.drills</c>, which is there as long as one of them is. Each
/// write leaves a mark of its own, and holds only if the mark is still there that was read before.
/// </summary>
internal static class DrillDirectory
{
    private const string ObjectName = "rbd-replication.drills";
    private const string Mark = "mark";
    private const string Prefix = "drill.";
    private const int PageSize = 1000;

    /// <summary>Names of all drills.</summary>
    public static async Task<IReadOnlyList<string>> ListAsync(RadosPool pool, CancellationToken cancellationToken)
    {
        List<string> names = [];
        for (var last = ""; ;)
        {
            var page = await pool.ListOmapAsync(ObjectName, last, PageSize, cancellationToken).ConfigureAwait(false) ?? new Dictionary<string, string>();
            names.AddRange(page.Keys.Where(key => key.StartsWith(Prefix, StringComparison.Ordinal)).Select(key => key[Prefix.Length..]));
            if (page.Count < PageSize)
                return names;
            last = page.Keys.Max(StringComparer.Ordinal)!;
        }
    }

    /// <summary>Enters a drill, if it is not there.</summary>
    public static Task AddAsync(RadosPool pool, string name, CancellationToken cancellationToken) => ChangeAsync(pool, (keys, mark) =>
        keys is null ? new ObjectWrite().Create(exclusive: true).SetOmap([new(Prefix + name, name), mark])
        : keys.ContainsKey(Prefix + name) ? null
        : After(keys).SetOmap([new(Prefix + name, name), mark]), cancellationToken);

    /// <summary>Takes a drill out, and with the last one the object away.</summary>
    public static Task RemoveAsync(RadosPool pool, string name, CancellationToken cancellationToken) => ChangeAsync(pool, (keys, mark) =>
        keys is null || !keys.ContainsKey(Prefix + name) ? null
        : keys.Keys.Any(key => key.StartsWith(Prefix, StringComparison.Ordinal) && key != Prefix + name) ? After(keys).RemoveOmap([Prefix + name]).SetOmap([mark])
        : After(keys).Remove().EvenIfFull(), cancellationToken);

    private static ObjectWrite After(IReadOnlyDictionary<string, string> keys) => new ObjectWrite().AssertOmap(Mark, keys.GetValueOrDefault(Mark, ""));

    private static async Task ChangeAsync(
        RadosPool pool, Func<IReadOnlyDictionary<string, string>?, KeyValuePair<string, string>, ObjectWrite?> plan, CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var keys = await pool.ListOmapAsync(ObjectName, "", PageSize, cancellationToken).ConfigureAwait(false);
            try
            {
                if (plan(keys, new(Mark, Guid.NewGuid().ToString("N"))) is { } write)
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
