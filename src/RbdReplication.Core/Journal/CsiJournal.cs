using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// Reads and writes the reservations of many volumes of one pool at once. Directory entries and image ids of thousands of
/// volumes travel in one read each; the volumes' own objects are read side by side. Nothing is ever searched, so the cost
/// of a volume does not depend on how many others there are.
/// </summary>
/// <param name="imagePool">Pool and rados namespace of images and volume objects.</param>
/// <param name="journalPool">Pool and rados namespace of the directory object; normally the same.</param>
/// <param name="instanceId">ceph-csi's instance id, <c>default</c> unless it is set there.</param>
public sealed class CsiJournal(RadosPool imagePool, RadosPool journalPool, string instanceId)
{
    /// <summary>Most operations that are sent without waiting for the first answer.</summary>
    public const int PipelineDepth = 64;

    // One write operation for many directory entries; each carries a comparison, and all fail together.
    private const int DirectoryChunk = 128;

    private const int Races = 3;

    private readonly string _directory = JournalKeys.DirectoryObject(instanceId);
    private readonly JournalObjects _objects = new(imagePool, journalPool, JournalKeys.DirectoryObject(instanceId));

    /// <summary>Pool and name of the directory object, for messages.</summary>
    public string DirectorySpec => journalPool.SpecOf(_directory);

    /// <summary>Pool of images and volume objects.</summary>
    public RadosPool ImagePool => imagePool;

    /// <summary>Pool of the directory object.</summary>
    public RadosPool JournalPool => journalPool;

    /// <summary>Reads what Ceph holds of each reservation and decides what to do about it; the answers are in the order of the reservations.</summary>
    /// <exception cref="CephException">The pool cannot be read; nothing is known then.</exception>
    public async Task<IReadOnlyList<ReservationPlan>> PlanAsync(IReadOnlyList<Reservation> reservations, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(reservations);
        var directory = journalPool.ReadOmapAsync(
            _directory, [.. reservations.Select(m => JournalKeys.DirectoryKey(m.RequestName)).Distinct(StringComparer.Ordinal)], cancellationToken);
        var objects = new IReadOnlyDictionary<string, string>?[reservations.Count];
        await InParallelAsync(reservations.Count, async i =>
            objects[i] = await imagePool.ReadOmapAsync(
                JournalKeys.VolumeObject(reservations[i].Uuid), JournalKeys.VolumeObjectKeys, cancellationToken).ConfigureAwait(false)).ConfigureAwait(false);
        var listed = await directory.ConfigureAwait(false);
        var names = reservations.Select((reservation, i) => ImageNameOf(reservation, objects[i])).ToList();
        var ids = await ImageDirectory.ReadIdsAsync(imagePool, names, cancellationToken).ConfigureAwait(false);

        var plans = new ReservationPlan[reservations.Count];
        for (var i = 0; i < plans.Length; i++)
        {
            var state = new ReservationState(
                listed?.GetValueOrDefault(JournalKeys.DirectoryKey(reservations[i].RequestName)), objects[i], ids.GetValueOrDefault(names[i]));
            plans[i] = ReservationPlan.For(reservations[i], state, _objects);
            if (plans[i] is ReservationPlan.CheckOther other)
                plans[i] = await CheckOtherAsync(reservations[i], other, state.DirectoryValue!, cancellationToken).ConfigureAwait(false);
        }
        return plans;
    }

    /// <summary>
    /// Carries out plans. Each volume's object is written in one step that holds only if the object is as the plan found it;
    /// after it, its directory entry. A crash in between leaves an object that names its volume, which the next plan takes up.
    /// </summary>
    /// <param name="writes">Reservations and what to write.</param>
    /// <param name="beforeWrite">Called before each write; throws when no more may be written, and nothing else is thrown.</param>
    /// <returns>For each, what failed, or null. ECANCELED and EEXIST: somebody else wrote or closed the pool meanwhile, plan again.</returns>
    public async Task<IReadOnlyList<CephException?>> ApplyAsync(
        IReadOnlyList<(Reservation Reservation, ReservationPlan.Write Write)> writes, Action beforeWrite)
    {
        ArgumentNullException.ThrowIfNull(writes);
        ArgumentNullException.ThrowIfNull(beforeWrite);
        var failures = new CephException?[writes.Count];
        await InParallelAsync(writes.Count, async i =>
        {
            beforeWrite();
            failures[i] = await TryAsync(() => WriteObjectAsync(writes[i].Reservation, writes[i].Write)).ConfigureAwait(false);
        }).ConfigureAwait(false);

        var listing = Enumerable.Range(0, writes.Count).Where(i => failures[i] is null && writes[i].Write.DirectoryValue is not null);
        foreach (var chunk in listing.Chunk(DirectoryChunk))
        {
            beforeWrite();
            var failure = await TryAsync(() => WriteDirectoryAsync([.. chunk.Select(i => writes[i])])).ConfigureAwait(false);
            if (failure is null)
                continue;
            // One of them is not as expected; apart, the others succeed.
            foreach (var i in chunk)
                failures[i] = failure.Errno == Errno.ECANCELED ? await WriteDirectoryEntryAsync(writes[i].Reservation, writes[i].Write, beforeWrite).ConfigureAwait(false) : failure;
        }
        return failures;
    }

    /// <summary>Plans and writes the entries of one volume; again where somebody else (the omap generator, say) was faster.</summary>
    /// <returns>The last plan; what it says to write has been written.</returns>
    /// <exception cref="CephException">The pool cannot be read or written, or somebody else was faster each time.</exception>
    public async Task<ReservationPlan> EnterAsync(Reservation reservation, CancellationToken cancellationToken) =>
        (await EnterAsync([reservation], cancellationToken).ConfigureAwait(false))[0];

    /// <summary>The same for many; the answers are in the order of the reservations.</summary>
    /// <exception cref="CephException">The same; some may have been written.</exception>
    public async Task<IReadOnlyList<ReservationPlan>> EnterAsync(IReadOnlyList<Reservation> reservations, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(reservations);
        for (var attempt = 1; ; attempt++)
        {
            var plans = await PlanAsync(reservations, cancellationToken).ConfigureAwait(false);
            var writes = reservations.Zip(plans).Where(pair => pair.Second is ReservationPlan.Write).Select(pair => (pair.First, (ReservationPlan.Write)pair.Second)).ToList();
            var failures = await ApplyAsync(writes, cancellationToken.ThrowIfCancellationRequested).ConfigureAwait(false);
            if (failures.OfType<CephException>().ToList() is not { Count: > 0 } failed)
                return plans;
            if (attempt == Races || failed.Find(failure => !IsOvertaken(failure)) is not null)
                throw failed.Find(failure => !IsOvertaken(failure)) ?? failed[0];
        }
    }

    /// <summary>
    /// Removes the entries of a volume whose image is gone, first its object and then its directory entry; what is not there, or belongs to another
    /// volume, is left as it is.
    /// </summary>
    /// <exception cref="CephException">The pool cannot be written.</exception>
    public async Task RemoveAsync(string requestName, string uuid, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(requestName);
        await IfOursAsync(imagePool.WriteAsync(
            JournalKeys.VolumeObject(uuid), new ObjectWrite().AssertOmap(JournalKeys.RequestName, requestName).Remove().EvenIfFull(), cancellationToken)).ConfigureAwait(false);
        var key = JournalKeys.DirectoryKey(requestName);
        await IfOursAsync(journalPool.WriteAsync(
            _directory, new ObjectWrite().AssertOmap(key, JournalKeys.DirectoryValue(uuid, imagePool.Id, journalPool.Id)).RemoveOmap([key]).EvenIfFull(), cancellationToken)).ConfigureAwait(false);
    }

    private static async Task IfOursAsync(Task write)
    {
        try
        {
            await write.ConfigureAwait(false);
        }
        catch (CephException e) when (e.Errno is Errno.ENOENT or Errno.ECANCELED)
        {
        }
    }

    /// <summary>Whether a write failed because somebody else was faster, or the object on which the plan rests was removed: plan again.</summary>
    internal static bool IsOvertaken(CephException failure) => failure.Errno is Errno.ECANCELED or Errno.EEXIST or Errno.ENOENT;

    private static string ImageNameOf(Reservation reservation, IReadOnlyDictionary<string, string>? keys) =>
        keys?.GetValueOrDefault(JournalKeys.ImageName) is { Length: > 0 } recorded ? recorded : reservation.ImageName;

    /// <summary>Is anything left of the volume that the directory names in place of ours?</summary>
    private async Task<ReservationPlan> CheckOtherAsync(
        Reservation reservation, ReservationPlan.CheckOther other, string listed, CancellationToken cancellationToken)
    {
        if (other.PoolId == imagePool.Id)
            return await CheckOtherAsync(imagePool, reservation, other, listed, cancellationToken).ConfigureAwait(false);
        try
        {
            var pool = await imagePool.Cluster.OpenPoolAsync(other.PoolId, imagePool.Namespace, cancellationToken).ConfigureAwait(false);
            await using (pool.ConfigureAwait(false))
                return await CheckOtherAsync(pool, reservation, other, listed, cancellationToken).ConfigureAwait(false);
        }
        catch (CephException e) when (e.Errno == Errno.ENOENT)
        {
            // A pool that is gone has taken its volumes with it.
            return other.IfStale;
        }
    }

    private async Task<ReservationPlan> CheckOtherAsync(
        RadosPool pool, Reservation reservation, ReservationPlan.CheckOther other, string listed, CancellationToken cancellationToken)
    {
        var record = await JournalEntry.ReadAsync(pool, other.Uuid, cancellationToken).ConfigureAwait(false);
        var image = record.ImageName ?? reservation.ImagePrefix + other.Uuid;
        if (record.RequestName is null)
        {
            string[] names = [image, JournalKeys.DefaultImagePrefix + other.Uuid];
            var ids = await ImageDirectory.ReadIdsAsync(pool, names, cancellationToken).ConfigureAwait(false);
            if (ids.Count == 0)
                return other.IfStale;
        }
        return new ReservationPlan.Conflict(
            ConflictKind.NameIsTaken,
            $"the directory maps {reservation.RequestName} to '{listed}' (image {pool.SpecOf(image)}, recorded for PV {record.RequestName ?? "(none)"}), "
            + $"and the PV's volume handle names {reservation.Uuid}",
            $"Restore the PV with the volumeHandle of {other.Uuid} if that volume is meant; if not, give the name up for it: {_objects.RemoveFromDirectory(reservation.RequestName)}",
            listed);
    }

    private Task WriteObjectAsync(Reservation reservation, ReservationPlan.Write write)
    {
        if (write.ObjectExists && write.ObjectKeys.Count == 0)
            return Task.CompletedTask;
        var operation = write.ObjectExists
            ? new ObjectWrite().AssertOmap(JournalKeys.RequestName, write.ExpectedRequestName)
            : new ObjectWrite().Create(exclusive: true);
        return imagePool.WriteAsync(JournalKeys.VolumeObject(reservation.Uuid), operation.SetOmap(write.ObjectKeys), CancellationToken.None);
    }

    private Task WriteDirectoryAsync(IReadOnlyList<(Reservation Reservation, ReservationPlan.Write Write)> writes)
    {
        var operation = new ObjectWrite().Create(exclusive: false);
        foreach (var (reservation, write) in writes)
            operation.AssertOmap(JournalKeys.DirectoryKey(reservation.RequestName), write.ExpectedDirectoryValue);
        operation.SetOmap([.. writes.Select(w => KeyValuePair.Create(JournalKeys.DirectoryKey(w.Reservation.RequestName), w.Write.DirectoryValue!))]);
        return journalPool.WriteAsync(_directory, operation, CancellationToken.None);
    }

    private async Task<CephException?> WriteDirectoryEntryAsync(Reservation reservation, ReservationPlan.Write write, Action beforeWrite)
    {
        beforeWrite();
        var failure = await TryAsync(() => WriteDirectoryAsync([(reservation, write)])).ConfigureAwait(false);
        if (failure?.Errno != Errno.ECANCELED)
            return failure;
        var key = JournalKeys.DirectoryKey(reservation.RequestName);
        IReadOnlyDictionary<string, string>? entries = null;
        if (await TryAsync(async () => entries = await journalPool.ReadOmapAsync(_directory, [key], CancellationToken.None).ConfigureAwait(false)).ConfigureAwait(false) is { } unread)
            return unread;
        if (entries?.GetValueOrDefault(key) == write.DirectoryValue)
            return null;
        // The name went to another volume meanwhile: what this call has made is taken back.
        if (!write.ObjectExists)
        {
            beforeWrite();
            await TryAsync(() => imagePool.WriteAsync(
                JournalKeys.VolumeObject(reservation.Uuid),
                new ObjectWrite().AssertOmap(JournalKeys.RequestName, reservation.RequestName).Remove(),
                CancellationToken.None)).ConfigureAwait(false);
        }
        return failure;
    }

    private static async Task<CephException?> TryAsync(Func<Task> call)
    {
        try
        {
            await call().ConfigureAwait(false);
            return null;
        }
        catch (CephException e)
        {
            return e;
        }
        catch (ObjectDisposedException e)
        {
            // Another batch found the connection or the pool to be of no more use and closed it.
            return new CephException(Errno.ECANCELED, "rados_write_op_operate", e.ObjectName, "the pool was closed");
        }
    }

    // Not Parallel.ForEachAsync: a cancelled wait must not leave a write unobserved, and its tasks cost more than the calls.
    private static async Task InParallelAsync(int count, Func<int, Task> body)
    {
        var next = -1;
        async Task RunAsync()
        {
            for (var i = Interlocked.Increment(ref next); i < count; i = Interlocked.Increment(ref next))
                await body(i).ConfigureAwait(false);
        }
        await Task.WhenAll(Enumerable.Range(0, Math.Min(PipelineDepth, count)).Select(_ => RunAsync())).ConfigureAwait(false);
    }
}
