using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// The entries of volume groups in ceph-csi's journal: a directory object, from request name to uuid, and an object for each group. A group's object
/// is written in one step before its directory entry, and removed after it, so that whatever is left by a call that was cut off still tells
/// whose it is. Whoever writes holds the group's lock; a write also fails where the object is not as it was read, since ceph-csi knows no lock.
/// </summary>
/// <param name="pool">Pool and rados namespace of the group.</param>
/// <param name="instanceId">ceph-csi's instance id.</param>
public sealed class GroupJournal(RadosPool pool, string instanceId)
{
    private readonly string _directory = GroupKeys.DirectoryObject(instanceId);

    /// <summary>Pool and name of the directory object, for messages.</summary>
    public string DirectorySpec => pool.SpecOf(_directory);

    /// <summary>Pool and rados namespace of the groups.</summary>
    public RadosPool Pool => pool;

    /// <summary>What the directory has for a request name; null if nothing.</summary>
    public async Task<string?> FindAsync(string requestName, CancellationToken cancellationToken)
    {
        var key = GroupKeys.DirectoryKey(requestName);
        var entries = await pool.ReadOmapAsync(_directory, [key], cancellationToken).ConfigureAwait(false);
        return entries?.GetValueOrDefault(key) is { Length: > 0 } value ? value : null;
    }

    /// <summary>Whether what the directory has names a group of this pool.</summary>
    public bool Names(string? listed, string uuid) =>
        listed is not null && JournalKeys.TryParseDirectoryValue(listed, pool.Id, out var named, out var poolId) && named == uuid && poolId == pool.Id;

    /// <summary>What the directory has for all request names.</summary>
    public async Task<IReadOnlyCollection<string>> ListAsync(CancellationToken cancellationToken)
    {
        var entries = await pool.ListOmapAsync(_directory, "", cancellationToken).ConfigureAwait(false);
        return entries is null ? [] : [.. entries.Where(entry => GroupKeys.IsDirectoryKey(entry.Key)).Select(entry => entry.Value)];
    }

    /// <summary>The entry of a group; null: there is no such object.</summary>
    public Task<GroupEntry?> ReadAsync(string uuid, CancellationToken cancellationToken) => ReadAsync(pool, uuid, cancellationToken);

    /// <summary>The same for whoever does not know the instance id, which is not in that object's name.</summary>
    public static async Task<GroupEntry?> ReadAsync(RadosPool pool, string uuid, CancellationToken cancellationToken) =>
        await pool.ListOmapAsync(GroupKeys.GroupObject(uuid), "", cancellationToken).ConfigureAwait(false) is { } keys ? GroupEntry.From(uuid, keys) : null;

    /// <summary>Writes what a group needs: first its object, then its directory entry. What is there already stays.</summary>
    /// <param name="wanted">The group.</param>
    /// <param name="entry">What its object has; null if there is none.</param>
    /// <param name="time">When it is made.</param>
    /// <exception cref="CephException">ECANCELED, EEXIST, ENOENT: somebody else was faster.</exception>
    public async Task ReserveAsync(GroupReservation wanted, GroupEntry? entry, DateTimeOffset time)
    {
        ArgumentNullException.ThrowIfNull(wanted);
        if (wanted.Missing(entry, time) is { Count: > 0 } missing)
        {
            // What ceph-csi has left unfinished has no names yet.
            var write = entry is null ? new ObjectWrite().Create(exclusive: true) : new ObjectWrite().AssertOmap(GroupKeys.RequestName, entry.RequestName ?? "");
            await pool.WriteAsync(GroupKeys.GroupObject(wanted.Uuid), write.SetOmap(missing), CancellationToken.None).ConfigureAwait(false);
        }
        if (Names(await FindAsync(wanted.RequestName, CancellationToken.None).ConfigureAwait(false), wanted.Uuid))
            return;
        var key = GroupKeys.DirectoryKey(wanted.RequestName);
        try
        {
            await pool.WriteAsync(
                _directory, new ObjectWrite().Create(exclusive: false).AssertOmap(key, "").SetOmap(key, wanted.Uuid), CancellationToken.None).ConfigureAwait(false);
        }
        catch (CephException e) when (e.Errno == Errno.ECANCELED && entry is null)
        {
            // The name went to another group meanwhile: what this call has made is taken back.
            await pool.WriteAsync(
                GroupKeys.GroupObject(wanted.Uuid), new ObjectWrite().AssertOmap(GroupKeys.RequestName, wanted.RequestName).Remove(), CancellationToken.None).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Removes the keys of members and sets those of others, in one step.</summary>
    /// <exception cref="CephException">ECANCELED, ENOENT: the group was removed or is another one's now.</exception>
    public Task ChangeMembersAsync(GroupEntry entry, IReadOnlyCollection<string> removed, IReadOnlyCollection<string> added)
    {
        var write = new ObjectWrite().AssertOmap(GroupKeys.RequestName, entry.RequestName ?? "");
        if (removed.Count > 0)
            write.RemoveOmap(removed);
        if (added.Count > 0)
            write.SetOmap([.. added.Select(id => KeyValuePair.Create(id, GroupKeys.MemberValue))]);
        return pool.WriteAsync(GroupKeys.GroupObject(entry.Uuid), write, CancellationToken.None);
    }

    /// <summary>Removes the entries of a group: first that of the directory, if it is this group's, then the object.</summary>
    public async Task RemoveAsync(GroupEntry entry)
    {
        if (entry.RequestName is { } name && await FindAsync(name, CancellationToken.None).ConfigureAwait(false) is { } listed && Names(listed, entry.Uuid))
        {
            var key = GroupKeys.DirectoryKey(name);
            await pool.WriteAsync(_directory, new ObjectWrite().AssertOmap(key, listed).RemoveOmap([key]), CancellationToken.None).ConfigureAwait(false);
        }
        await pool.WriteAsync(GroupKeys.GroupObject(entry.Uuid), new ObjectWrite().Remove(), CancellationToken.None).ConfigureAwait(false);
    }
}
