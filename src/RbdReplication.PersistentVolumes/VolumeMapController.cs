using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using RbdReplication.Kubernetes.Events;
using RbdReplication.Kubernetes.Informers;
using RbdReplication.Kubernetes.Leases;
using RbdReplication.Kubernetes.Volumes;
using RbdReplication.Kubernetes.Work;
using VolumeChange = RbdReplication.Kubernetes.Informers.ObjectChange<RbdReplication.Kubernetes.Volumes.PersistentVolume>;

namespace RbdReplication.PersistentVolumes;

/// <summary>
/// One term of keeping mappings: follows the volumes, queues them by handle, and reconciles what is queued in batches.
/// </summary>
internal sealed class VolumeMapController : IDisposable
{
    // Enough that the reads that a batch shares weigh nothing.
    private const int BatchSize = 128;

    // The list waits while so many volumes do: each takes half a KiB until it has been checked, and a page comes on top.
    private const int QueueLimit = 256;

    // A volume that is queued outlives the young generations, and the oldest one is left to grow while memory is plenty:
    // without a collection now and then, a list of 20,000 ends with 20 MiB of what is done.
    private const int CollectInterval = 2000;

    private static readonly TimeSpan QueuePatience = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan HastenInterval = TimeSpan.FromSeconds(1);

    private readonly Informer<PersistentVolume> _informer;
    private readonly Reconciler _reconciler;
    private readonly EventRecorder _events;
    private readonly MappingReports _reports;
    private readonly GeneratorTelemetry _telemetry;
    private readonly OmapGeneratorOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<VolumeMapController> _logger;
    private readonly WorkQueue<ReconcileRequest> _queue;
    private readonly AwaitedImages _images;
    private readonly ConcurrentDictionary<Guid, string> _queued = new();
    private Task? _passing;
    private volatile int _volumes;
    private volatile bool _hasPassed;
    private long _hastened;
    private int _sinceCollection;
    private bool _hasToldOfCephFs;

    public VolumeMapController(
        Informer<PersistentVolume> informer, Reconciler reconciler, ImageLookup lookup, EventRecorder events, GeneratorTelemetry telemetry, OmapGeneratorOptions options,
        TimeProvider time, ILogger<VolumeMapController> logger)
    {
        _informer = informer;
        _reconciler = reconciler;
        _events = events;
        _telemetry = telemetry;
        _options = options;
        _time = time;
        _logger = logger;
        _reports = new MappingReports(events, MappingWords.ForVolumes(telemetry), time, logger);
        _queue = new WorkQueue<ReconcileRequest>(
            new WorkQueueOptions { LongestRetryDelay = options.LongestRetryDelay }, static request => $"{request.Handle.ClusterId}/{request.Pool}", time, logger);
        _images = new AwaitedImages(lookup, there => _queue.Hasten(there.Contains), time);
    }

    /// <summary>Every volume has been checked at least once in this term.</summary>
    public bool HasPassed => _hasPassed;

    public int Volumes => _volumes;

    public int QueueDepth => _queue.Depth;

    public int BackingOff => _queue.BackingOff;

    public long WatchRestarts => _informer.Restarts;

    public long EventsDropped => _events.Dropped;

    public IEnumerable<KeyValuePair<ReconcileResult, int>> Failing => _reports.Failing;

    /// <summary>Works until the term ends and the write in hand is done.</summary>
    public async Task RunAsync(Leadership leadership, CancellationToken cancellationToken)
    {
        var started = _time.GetTimestamp();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var working = _queue.RunAsync(_options.Workers, BatchSize, (requests, token) => ReconcileAsync(requests, leadership, token), stop.Token);
        var looking = _images.RunAsync(stop.Token);
        try
        {
            await _informer.RunAsync((change, token) => ApplyAsync(change, started, token), stop.Token);
        }
        finally
        {
            await stop.CancelAsync();
            await working;
            await looking;
            await (_passing ?? Task.CompletedTask).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public void Dispose() => _queue.Dispose();

    private async ValueTask ApplyAsync(VolumeChange change, long started, CancellationToken cancellationToken)
    {
        switch (change)
        {
            case VolumeChange.Listed page:
                foreach (var volume in page.Items)
                    Apply(volume);
                await WaitForQueueAsync(cancellationToken);
                CollectAfter(page.Items.Count);
                break;
            case VolumeChange.Applied applied:
                Apply(applied.Item);
                break;
            case VolumeChange.Deleted deleted:
                Forget(deleted.Id);
                break;
            case VolumeChange.ListCompleted list:
                _volumes = list.Count;
                _passing ??= PassAsync(list.Count, started, cancellationToken);
                break;
        }
    }

    private async Task WaitForQueueAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _queue.WaitBelowAsync(QueueLimit, cancellationToken).WaitAsync(QueuePatience, _time, cancellationToken);
        }
        catch (TimeoutException)
        {
            // What waits is a place that does not answer.
        }
    }

    /// <summary>Apart from the informer: what changes meanwhile must not wait for a place that does not answer.</summary>
    private async Task PassAsync(int count, long started, CancellationToken cancellationToken)
    {
        await _queue.WaitBelowAsync(1, cancellationToken);
        _hasPassed = true;
        Log.FirstPass(_logger, count, _time.GetElapsedTime(started).TotalSeconds, _reports.Failing.Sum(f => f.Value));
    }

    private void CollectAfter(int listed)
    {
        _sinceCollection += listed;
        if (_sinceCollection < CollectInterval)
            return;
        _sinceCollection = 0;
        GC.Collect();
    }

    private void Apply(PersistentVolume volume)
    {
        var id = volume.Id;
        if (volume.IsCephFs && !_hasToldOfCephFs)
        {
            _hasToldOfCephFs = true;
            Log.CephFsVolume(_logger, volume.Name);
        }
        if (ReconcileRequest.IsExempt(volume, _options.DriverName))
        {
            Forget(id);
        }
        else if (ReconcileRequest.From(volume, out var problem) is { } request)
        {
            var key = KeyOf(request);
            // Another handle than last time: what was queued under the old one is not wanted any more.
            if (_queued.TryGetValue(id, out var old) && old != key)
                Drop(old);
            _queued[id] = key;
            _queue.Add(key, request);
        }
        else
        {
            Unqueue(id);
            _reports.Report(volume.Reference, volume.VolumeHandle, new(ReconcileResult.InvalidVolume, problem));
        }
    }

    private void Forget(Guid id)
    {
        Unqueue(id);
        _reports.Forget(id);
    }

    private void Unqueue(Guid id)
    {
        if (_queued.TryRemove(id, out var key))
            Drop(key);
    }

    private void Drop(string key)
    {
        _queue.Remove(key);
        _images.Remove(key);
    }

    // The name is part of the key for the case that two volumes have one handle: each is to hear of that conflict.
    private static string KeyOf(ReconcileRequest request) => $"{request.Handle} {request.Volume.Name}";

    private async Task<IReadOnlyList<bool>> ReconcileAsync(IReadOnlyList<ReconcileRequest> requests, Leadership leadership, CancellationToken cancellationToken)
    {
        var started = _time.GetTimestamp();
        var outcomes = await _reconciler.RunAsync(requests, leadership.ThrowIfLost, cancellationToken);
        _telemetry.RecordBatch(_time.GetElapsedTime(started));
        var succeeded = new HashSet<Kubernetes.ObjectName>();
        for (var i = 0; i < requests.Count; i++)
        {
            var id = requests[i].Volume.Id;
            // Not of a volume that was deleted meanwhile.
            if (_queued.ContainsKey(id))
                _reports.Report(requests[i].Volume.Reference, requests[i].Volume.VolumeHandle, outcomes[i]);
            if (outcomes[i].AwaitedImage is { } image && _queued.ContainsKey(id))
                _images.Add(KeyOf(requests[i]), requests[i], image);
            else
                _images.Remove(KeyOf(requests[i]));
            if (!outcomes[i].IsGood)
                continue;
            _queued.TryRemove(id, out _);
            succeeded.Add(requests[i].Secret);
        }
        Hasten(succeeded);
        return [.. outcomes.Select(outcome => outcome.IsGood)];
    }

    /// <summary>What works for one volume of a Secret may work for the others now; they need not sit out their back-off.</summary>
    private void Hasten(HashSet<Kubernetes.ObjectName> secrets)
    {
        var last = Volatile.Read(ref _hastened);
        if (secrets.Count == 0 || _queue.BackingOff == 0 || _time.GetElapsedTime(last) < HastenInterval || !_reports.AreOthersWaiting)
            return;
        if (Interlocked.CompareExchange(ref _hastened, _time.GetTimestamp(), last) == last)
            _queue.Hasten(request => secrets.Contains(request.Secret));
    }
}
