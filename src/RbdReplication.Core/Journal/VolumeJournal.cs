using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>What is entered into the journal for a volume.</summary>
/// <param name="RequestName">The PV's name.</param>
/// <param name="Uuid">The volume's uuid.</param>
/// <param name="ImageName">Image name.</param>
/// <param name="ImageId">Image id.</param>
/// <param name="Owner">The PVC's namespace; null if there is none.</param>
public sealed record VolumeEntry(string RequestName, string Uuid, string ImageName, string ImageId, string? Owner);

/// <summary>
/// Writes to the CSI journal. A volume has two entries: its own object, written first in one atomic step, and a key in the
/// directory object. A crash between them leaves an object that names its volume, which the next attempt takes up.
/// </summary>
/// <param name="pool">Pool and rados namespace of images and journal.</param>
/// <param name="instanceId">ceph-csi's instance id, <c>default</c> unless it is set there.</param>
public sealed class VolumeJournal(RadosPool pool, string instanceId)
{
    /// <summary>Enters a volume, or completes what is there of it.</summary>
    /// <exception cref="ReplicationException">FailedPrecondition: one of the entries belongs to another volume. Nothing is changed then.</exception>
    /// <exception cref="CephException">ECANCELED: somebody else is writing the same entry; try again.</exception>
    public async Task EnterAsync(VolumeEntry entry, CancellationToken cancellationToken)
    {
        var directory = JournalKeys.DirectoryObject(instanceId);
        var directoryKey = JournalKeys.DirectoryKey(entry.RequestName);
        var listed = await pool.ReadOmapAsync(directory, [directoryKey], cancellationToken).ConfigureAwait(false);
        var listedUuid = listed?.GetValueOrDefault(directoryKey) ?? "";
        if (listedUuid.Length > 0 && listedUuid != entry.Uuid)
            throw Conflict($"{directory} says that {entry.RequestName} is volume {listedUuid}, not {entry.Uuid}", "choose another name with --pv-name");

        var volumeObject = JournalKeys.VolumeObject(entry.Uuid);
        var record = await VolumeRecord.ReadAsync(pool, entry.Uuid, cancellationToken).ConfigureAwait(false);
        if (record.RequestName is not null && record.RequestName != entry.RequestName)
            throw Conflict($"{volumeObject} belongs to {record.RequestName}, not to {entry.RequestName}", $"import it as that one with --pv-name {record.RequestName}");
        if (record.ImageName is not null && record.ImageName != entry.ImageName)
            throw Conflict($"{volumeObject} names image {record.ImageName}, not {entry.ImageName}", "give this image a name with another uuid: rbd rename");

        // The comparisons repeat on the OSD what was just read: two writers cannot both win.
        await pool.WriteAsync(
            volumeObject,
            new ObjectWrite().Create(exclusive: false).AssertOmap(JournalKeys.RequestName, record.RequestName ?? "").SetOmap(Keys(entry)),
            cancellationToken).ConfigureAwait(false);
        if (listedUuid.Length == 0)
        {
            await pool.WriteAsync(
                directory,
                new ObjectWrite().Create(exclusive: false).AssertOmap(directoryKey, "").SetOmap(directoryKey, entry.Uuid),
                cancellationToken).ConfigureAwait(false);
        }
    }

    private static List<KeyValuePair<string, string>> Keys(VolumeEntry entry)
    {
        List<KeyValuePair<string, string>> keys =
        [
            new(JournalKeys.RequestName, entry.RequestName),
            new(JournalKeys.ImageName, entry.ImageName),
            new(JournalKeys.ImageId, entry.ImageId),
        ];
        if (!string.IsNullOrEmpty(entry.Owner))
            keys.Add(new(JournalKeys.Owner, entry.Owner));
        return keys;
    }

    private ReplicationException Conflict(string what, string wayOut) =>
        new(ReplicationError.FailedPrecondition, $"the CSI journal in {pool.SpecOf("")} contradicts: {what}; nothing was changed; {wayOut}");
}
