using System.Runtime.InteropServices;

namespace RbdReplication.Kubernetes.Volumes;

/// <summary>
/// Which volumes exist and a digest of what matters about each: some forty bytes a volume. Tells real changes from status
/// updates, and after a full list, which volumes have gone.
/// </summary>
internal sealed class KnownVolumes
{
    private readonly Dictionary<Guid, Entry> _entries = [];
    private uint _pass;

    public int Count => _entries.Count;

    public void BeginPass() => _pass++;

    /// <returns>Whether the volume is new or differs from what was known.</returns>
    public bool Add(PersistentVolume volume)
    {
        ref var entry = ref CollectionsMarshal.GetValueRefOrAddDefault(_entries, VolumeId.Of(volume), out var known);
        var digest = volume.GetHashCode();
        var changed = !known || entry.Digest != digest;
        entry = new Entry(digest, _pass);
        return changed;
    }

    public bool Remove(Guid id) => _entries.Remove(id);

    /// <summary>Forgets and returns the volumes that were not added since <see cref="BeginPass"/>.</summary>
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

    // One change in four billion goes unnoticed until the next full list, which reports every volume.
    private readonly record struct Entry(int Digest, uint Pass);
}
