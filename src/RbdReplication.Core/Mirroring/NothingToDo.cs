using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// Whether a call has nothing to do, by what is stored of the image at this moment, without opening it: that costs a third of the reads, two at a time
/// instead of one after another. Only what is wholly as it should be is answered so. Whatever else there is, and whatever cannot be read, is for the
/// operation itself to look at with the image open.
/// </summary>
public static class NothingToDo
{
    /// <summary>Whether there is nothing to do.</summary>
    /// <param name="volume">The volume.</param>
    /// <param name="groupsAreServed">Whether a volume that is in a group may have to be refused.</param>
    /// <param name="isAsAsked">Whether the image, of this id, is as the call asks for.</param>
    /// <param name="hasSchedule">Whether its schedule is; read beside the image.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static async Task<bool> IsSoAsync(
        Volume volume, bool groupsAreServed, Func<StoredMirroring, string, bool> isAsAsked, Func<string, Task<bool>> hasSchedule, CancellationToken cancellationToken)
    {
        try
        {
            var directory = ImageDirectory.ReadIdsAsync(volume.Pool, [volume.ImageName], cancellationToken);
            // Recorded when the volume was made, so that all can be read at once; an image that was copied again has another one.
            if ((volume.Entry.ImageId ?? (await directory.ConfigureAwait(false)).GetValueOrDefault(volume.ImageName)) is not { } id)
                return false;
            var reading = StoredMirroring.ReadAsync(volume.Pool, id, cancellationToken);
            var schedule = hasSchedule(id);
            await Task.WhenAll(directory, reading, schedule).ConfigureAwait(false);
            return (await directory.ConfigureAwait(false)).GetValueOrDefault(volume.ImageName) == id
                && await reading.ConfigureAwait(false) is { } stored && !(groupsAreServed && stored.Image.IsInGroup) && isAsAsked(stored, id)
                && await schedule.ConfigureAwait(false);
        }
        // A later release's encoding; or a user who may do these things with librbd only.
        catch (Exception e) when (e is FormatException or CephException { Errno: Errno.EACCES or Errno.EPERM })
        {
            return false;
        }
    }

    /// <summary>To enable: it is mirrored by snapshots.</summary>
    public static bool IsEnabled(StoredMirroring stored, string imageId) =>
        stored is { State: MirrorImageState.Enabled, Mode: MirrorImageMode.Snapshot } && !stored.Image.Features.HasFlag(ImageFeatures.Journaling);

    /// <summary>To promote: besides, it is primary, as librbd knows by the newest mirror snapshot, and can be written to.</summary>
    public static bool IsPrimary(StoredMirroring stored, string imageId) =>
        IsEnabled(stored, imageId) && !stored.Image.Features.HasFlag(ImageFeatures.NonPrimary)
        && new MirrorChain(stored.Image.Snapshots.Mirrors).Newest is { State: MirrorSnapshotState.Primary, IsComplete: true };

    /// <summary>To disable: it is not mirrored, and nothing is left of when it was.</summary>
    public static bool IsDisabled(StoredMirroring stored, string imageId) =>
        stored.State == MirrorImageState.Disabled && stored.Image.Snapshots.Mirrors.Count == 0
        && GenerationRules.All(new MemberSnapshots(imageId, stored.Image.Snapshots.Users, stored.Image.Snapshots.Mirrors)).Count == 0;
}
