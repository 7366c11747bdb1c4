using System.Security.Cryptography;

namespace RbdReplication.Ceph;

/// <summary>
/// Takes one generation. The user snapshots are taken at a first <see cref="GroupBarrier"/>, under a name that says that they are not finished, and
/// get their own one when all are known to be of one instant: a process that is killed in between may leave snapshots to other clients, which take
/// them half a minute later, each for itself. At a second barrier the mirror snapshots are taken, which carry them along.
/// </summary>
/// <param name="pool">Pool and rados namespace of the members.</param>
/// <param name="imageIds">The members.</param>
/// <param name="name">Name of the user snapshots.</param>
/// <param name="maximumHold">Longest time that a barrier may take.</param>
internal sealed class GenerationRun(RadosPool pool, IReadOnlyList<string> imageIds, string name, TimeSpan maximumHold)
{
    // Another client takes a snapshot of a member at the same moment, or librbd has begun one again.
    private const int MaximumAttempts = 5;
    private const int MarkBytes = 4;

    private static readonly TimeSpan CloseLimit = TimeSpan.FromSeconds(5);

    private readonly List<RbdImage> _images = [];
    private readonly Dictionary<RbdImage, Task> _hanging = [];
    private string _address = "";
    private TimeSpan _held;
    private int _attempts;
    private int _lost;

    /// <summary>What a generation may take beside calls that hang.</summary>
    public static TimeSpan LongestHold(TimeSpan maximumHold) => 2 * MaximumAttempts * maximumHold + CloseLimit;

    /// <summary>Takes it.</summary>
    public async Task<GenerationOutcome> RunAsync(CancellationToken cancellationToken)
    {
        if (await OpenAsync(cancellationToken).ConfigureAwait(false) is { } failed)
            return failed;
        var unfinished = "";
        var taken = await AttemptAsync(
            () =>
            {
                unfinished = name + GenerationTaking.UnfinishedMark + RandomNumberGenerator.GetHexString(2 * MarkBytes, lowercase: true);
            },
            image => image.Snapshots.CreateAsync(unfinished, pool.Cluster.Threads.Barriers, CancellationToken.None), cancellationToken).ConfigureAwait(false);
        if (taken.Result == GenerationResult.Taken)
            taken = await RenameAsync(unfinished).ConfigureAwait(false);
        if (taken.Result == GenerationResult.Taken)
        {
            taken = await AttemptAsync(
                () => { }, image => image.Mirroring.CreateSnapshotAsync(CancellationToken.None), cancellationToken).ConfigureAwait(false);
        }
        return Outcome(taken);
    }

    private async Task<GenerationOutcome?> OpenAsync(CancellationToken cancellationToken)
    {
        var opening = imageIds.Select(id => (Id: id, Task: RbdImage.OpenByIdAsync(pool, id, readOnly: false, cancellationToken))).ToList();
        GenerationOutcome? failed = null;
        foreach (var (id, task) in opening)
        {
            try
            {
                _images.Add(await task.ConfigureAwait(false));
            }
            catch (CephException e)
            {
                failed ??= Failed(id, e);
            }
        }
        if (failed is not null)
            return failed;
        var refused = await Task.WhenAll(_images.Select(image => RefusalAsync(image, cancellationToken))).ConfigureAwait(false);
        return refused.FirstOrDefault(refusal => refusal is not null);
    }

    private async Task<GenerationOutcome?> RefusalAsync(RbdImage image, CancellationToken cancellationToken)
    {
        try
        {
            if (!(await image.GetFeaturesAsync(cancellationToken).ConfigureAwait(false)).HasFlag(ImageFeatures.ExclusiveLock))
                return Failed(image.GetId(), new CephException(Errno.EOPNOTSUPP, "rbd_get_features", image.Spec, "the image has no exclusive-lock"));
            // Part of it may be there, of another instant.
            if ((await image.Snapshots.ListAsync(cancellationToken).ConfigureAwait(false)).Any(snapshot => snapshot.Name == name))
                return Failed(image.GetId(), new CephException(Errno.EEXIST, "rbd_snap_list", image.Spec, $"there is a snapshot {name} already"));
            if (image == _images[0])
            {
                _address = (await image.ListWatchersAsync(cancellationToken).ConfigureAwait(false))
                    .First(watcher => watcher.ClientId == (long)pool.Cluster.InstanceId).Address;
            }
            return null;
        }
        catch (CephException e)
        {
            return Failed(image.GetId(), e);
        }
    }

    private async Task<BarrierOutcome> AttemptAsync(Action prepare, Func<RbdImage, Task> take, CancellationToken cancellationToken)
    {
        for (var attempts = 1; ; attempts++)
        {
            prepare();
            _attempts++;
            var outcome = await GroupBarrier.RunAsync(_images, _address, take, maximumHold, _hanging, cancellationToken).ConfigureAwait(false);
            _held = outcome.Held > _held ? outcome.Held : _held;
            _lost += outcome.Lost;
            if (outcome.Result != GenerationResult.Torn || attempts == MaximumAttempts || _hanging.Count > 0)
                return outcome;
        }
    }

    private async Task<BarrierOutcome> RenameAsync(string unfinished)
    {
        var renaming = _images.Select(image => (Image: image, Task: image.Snapshots.RenameAsync(unfinished, name, CancellationToken.None))).ToList();
        BarrierOutcome? failed = null;
        foreach (var (image, task) in renaming)
        {
            try
            {
                await task.ConfigureAwait(false);
            }
            catch (CephException e)
            {
                failed ??= new BarrierOutcome(GenerationResult.Failed, image, e);
            }
        }
        return failed ?? new BarrierOutcome(GenerationResult.Taken);
    }

    private GenerationOutcome Outcome(BarrierOutcome last) => new(last.Result, _held, _attempts, _lost, last.Member?.GetId(), last.Failure);

    private GenerationOutcome Failed(string imageId, CephException failure) => new(GenerationResult.Failed, _held, _attempts, _lost, imageId, failure);

    /// <summary>Closes the images, upon which their locks are free.</summary>
    /// <returns>
    /// Those that something is still being done with, as where a lock is never given up, and when they are closed. A process that ended before that would
    /// be missed by whoever tells something to all that have the image open, for half a minute.
    /// </returns>
    public async Task<IReadOnlyDictionary<string, Task>> CloseAsync()
    {
        var closing = _images.Select(image => (Id: image.GetId(), Hangs: _hanging.ContainsKey(image), Closed: CloseAsync(image))).ToList();
        await Task.WhenAny(Task.WhenAll(closing.Where(image => !image.Hangs).Select(image => image.Closed)), Task.Delay(CloseLimit)).ConfigureAwait(false);
        return closing.Where(image => !image.Closed.IsCompleted).ToDictionary(image => image.Id, image => image.Closed);
    }

    private async Task CloseAsync(RbdImage image)
    {
        if (_hanging.TryGetValue(image, out var ended))
            await ended.ConfigureAwait(false);
        await image.DisposeAsync().ConfigureAwait(false);
    }
}
