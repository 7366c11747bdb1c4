using System.Runtime.InteropServices;

namespace RbdReplication.Kubernetes.Informers;

/// <summary>
/// Which objects exist and a digest of what matters about each: some forty bytes an object. Tells real changes from status
/// updates, and after a full list, which objects have gone.
/// </summary>
internal sealed class KnownObjects<T>(WatchedResource<T> resource) where T : class
{
    private readonly Dictionary<Guid, Entry> _entries = [];
    private uint _pass;

    public int Count => _entries.Count;

    public void BeginPass() => _pass++;

    /// <returns>Whether the object is new or differs from what was known.</returns>
    public bool Add(T item)
    {
        ref var entry = ref CollectionsMarshal.GetValueRefOrAddDefault(_entries, resource.IdOf(item), out var known);
        var digest = item.GetHashCode();
        var changed = !known || entry.Digest != digest;
        entry = new Entry(digest, _pass);
        return changed;
    }

    public bool Remove(Guid id) => _entries.Remove(id);

    /// <summary>Forgets and returns the objects that were not added since <see cref="BeginPass"/>.</summary>
    public List<Guid> EndPass()
    {
        var gone = new List<Guid>();
        foreach (var (id, entry) in _entries)
        {
            if (entry.Pass != _pass)
                gone.Add(id);
        }
        foreach (var id in gone)
            _entries.Remove(id);
        return gone;
    }

    // One change in four billion goes unnoticed until the next full list, which reports every object.
    private readonly record struct Entry(int Digest, uint Pass);
}
